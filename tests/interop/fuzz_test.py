"""Checkpoint readers on damaged and hostile files: one error, no harm."""

import contextlib
import io
import pickle
import zipfile

from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
import safetensors.numpy

from semseg_jax import interop
from semseg_jax.interop import torch_files
from tests.interop import torch_writer as writer

FAST = settings(max_examples=150, deadline=None, suppress_health_check=[
    HealthCheck.function_scoped_fixture])


def damage(content: bytes):
  """Strategy of `content` with bytes changed, cut out or put in."""
  position = st.integers(0, len(content) - 1)
  edits = st.lists(st.tuples(
      position, st.integers(0, 8), st.binary(max_size=8)),
      min_size=1, max_size=4)

  def apply(edits):
    damaged = content
    for at, drop, put in edits:
      damaged = damaged[:at] + put + damaged[at + drop:]
    return damaged

  return edits.map(apply)


def read(folder, content, load=torch_files.load):
  """Reads `content`; nothing but TorchFileError may come of it."""
  path = folder / "file"
  path.write_bytes(content)
  with contextlib.suppress(torch_files.TorchFileError):
    return load(path)


def valid(folder, legacy):
  path = folder / "valid"
  writer.save(path, {"w": writer.Tensor(np.arange(6, dtype=np.float32)),
                     "n": [1, ("a", 2.5)]}, legacy=legacy)
  return path.read_bytes()


@pytest.mark.parametrize("legacy", [False, True])
@FAST
@given(data=st.data())
def test_damaged_torch_files(tmp_path, legacy, data):
  read(tmp_path, data.draw(damage(valid(tmp_path, legacy))))


@FAST
@given(content=st.binary(max_size=200), zipped=st.booleans())
def test_any_bytes(tmp_path, content, zipped):
  if zipped:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
      archive.writestr("a/data.pkl", content)
    content = packed.getvalue()
  read(tmp_path, content)
  read(tmp_path, content, torch_files.load_safetensors)


@FAST
@given(data=st.data())
def test_damaged_safetensors(tmp_path, data):
  content = safetensors.numpy.save({"w": np.arange(6, dtype=np.float32)})
  read(tmp_path, data.draw(damage(content)), torch_files.load_safetensors)


MODULES = ("os", "posix", "builtins", "subprocess", "torch", "torch._utils",
           "collections", "numpy", "_codecs", "argparse", "pickle")
NAMES = ("system", "eval", "exec", "Popen", "getattr", "__import__", "open",
         "load", "OrderedDict", "dtype", "encode", "Namespace", "Size", "set",
         "_rebuild_tensor_v2", "__globals__", "FloatStorage")
# Parts of pickles: names, arguments, and what calls one with the other.
PARTS = st.one_of(
    st.tuples(st.sampled_from(MODULES), st.sampled_from(NAMES)).map(
        lambda x: f"c{x[0]}\n{x[1]}\n".encode()),
    st.sampled_from([
        b"(", b"N", b"}", b"]", b")", b"t", b"R", b"b", b"\x81", b"o", b"a",
        b"s", b"u", b"0", b"2", b"K\x01", b"VCOMMAND\n", b"Q", b"q\x00",
        b"h\x00", b"\x85", b"\x86", b"\x93", b"ios\nsystem\n", b"Vos\n",
        b"Vsystem\n", b"\x92", b"\x82\x01"]))


@FAST
@given(parts=st.lists(PARTS, max_size=14), zipped=st.booleans())
def test_hostile_pickles_run_nothing(tmp_path, parts, zipped):
  mark = tmp_path / "mark"
  code = b"".join(parts) + b"."
  code = code.replace(b"COMMAND", f"open({str(mark)!r}, 'w')".encode())
  packed = io.BytesIO()
  with zipfile.ZipFile(packed, "w") as archive:
    archive.writestr("a/data.pkl", code)
  read(tmp_path, packed.getvalue() if zipped else code)
  assert not mark.exists()


@pytest.mark.parametrize("code", [
    b"(ios\nsystem\n.", b"(Vtouch x\nios\nsystem\n.",
    b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
    b"\x80\x02\x82\x01.", b"(cbuiltins\neval\nV1\no.",
    b"cbuiltins\neval\n(V1\ntR.", b"\x80\x04\x8c\x00\x8c\x04eval\x93.",
])
def test_every_way_of_naming_a_function(tmp_path, code):
  path = tmp_path / "a.pt"
  with zipfile.ZipFile(path, "w") as archive:
    archive.writestr("a/data.pkl", code)
  with pytest.raises(torch_files.TorchFileError, match="a.pt"):
    torch_files.load(path)


@pytest.mark.parametrize("code", [
    b"Nr\xff\xff\xff\x7f.",  # the memo's last slot: 32 GB of nothing
    b"Np2147483647\n.",
    b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # bytes without end
    b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.",  # a frame of all memory
    b"\x8b\xff\xff\xff\x7f.",  # an integer of 2 GB
    b"(" * 200_000 + b".",
    b"]" * 50_000 + b"a" * 49_999 + b".",
])
def test_absurd_claims_are_refused_at_once(tmp_path, code):
  path = tmp_path / "a.pt"
  with zipfile.ZipFile(path, "w") as archive:
    archive.writestr("a/data.pkl", code)
  with contextlib.suppress(torch_files.TorchFileError):
    torch_files.load(path)


def test_importers_refuse_other_contents(tmp_path):
  path = tmp_path / "a.pt"
  for content in ({}, {"g": 3}, [1], "text",
                  {"w": writer.Tensor(np.ones(3, np.float32))}):
    writer.save(path, content)
    contents = torch_files.load(path)
    for kind in ("stylegan2/generator", "lpips/vgg", "inception/fid"):
      with pytest.raises((ValueError, TypeError, KeyError)):
        interop.from_torch(kind, contents)


def test_the_payloads_are_real(tmp_path):
  """A careless reader does run what the tests above hand out."""
  mark = tmp_path / "mark"
  pickle.loads(f"cbuiltins\nopen\n(V{mark}\nVw\ntR.".encode())
  assert mark.exists()

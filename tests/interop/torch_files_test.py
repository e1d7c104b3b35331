"""Checkpoint files: every layout, damage, and files that want to run code."""

import argparse
import collections
import os
import pickle
import zipfile

import ml_dtypes
import numpy as np
import pytest

from semseg_jax.interop import torch_files
from tests.interop import torch_writer as writer


class Payload:
  """Runs a shell command when a careless reader unpickles it."""

  def __init__(self, command):
    self.command = command

  def __reduce__(self):
    return os.system, (self.command,)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("dtype", list(writer.STORAGES), ids=str)
def test_every_dtype(tmp_path, dtype, legacy):
  values = (np.arange(12) % 5).astype(dtype)
  path = tmp_path / "a.pt"
  writer.save(path, {"x": writer.Tensor(values.reshape(3, 4)),
                     "scalar": writer.Tensor(values[:1], (), ()),
                     "empty": writer.Tensor(values[:0], (0, 3), (3, 1))},
              legacy=legacy)
  loaded = torch_files.load(path)
  assert loaded["x"].dtype == dtype
  np.testing.assert_array_equal(loaded["x"], values.reshape(3, 4))
  assert loaded["scalar"].shape == ()
  assert loaded["empty"].shape == (0, 3)


@pytest.mark.parametrize("legacy", [False, True])
def test_strided_views_of_one_storage(tmp_path, legacy):
  storage = np.arange(24, dtype=np.float32)
  path = tmp_path / "a.pt"
  writer.save(path, {
      "transposed": writer.Tensor(storage, (4, 3), (1, 4), 2),
      "stepped": writer.Tensor(storage, (5,), (4,), 3),
      "expanded": writer.Tensor(storage, (2, 3), (0, 1), 1)}, legacy=legacy)
  loaded = torch_files.load(path)
  np.testing.assert_array_equal(
      loaded["transposed"], storage[2:14].reshape(3, 4).T)
  np.testing.assert_array_equal(loaded["stepped"], storage[3::4][:5])
  np.testing.assert_array_equal(loaded["expanded"], [[1, 2, 3]] * 2)
  assert np.shares_memory(loaded["transposed"], loaded["stepped"])


@pytest.mark.parametrize("legacy", [False, True])
def test_plain_containers(tmp_path, legacy):
  state = collections.OrderedDict(w=writer.Tensor(np.ones(2, np.float32)))
  state._metadata = collections.OrderedDict(version=1)
  path = tmp_path / "a.pt"
  writer.save(path, {
      "g": state, "args": argparse.Namespace(size=256, lr=0.1),
      "step": np.float64(2.5), "names": ["a", ("b", None, True)],
      "raw": b"\xff", "set": {1, 2}}, legacy=legacy)
  loaded = torch_files.load(path)
  np.testing.assert_array_equal(loaded["g"]["w"], [1, 1])
  assert loaded["args"] == {"size": 256, "lr": 0.1}
  assert loaded["step"] == 2.5
  assert loaded["names"] == ["a", ("b", None, True)]
  assert loaded["raw"] == b"\xff"
  assert loaded["set"] == {1, 2}


@pytest.mark.parametrize("form", ["zip", "legacy", "raw"])
def test_code_never_runs(tmp_path, form):
  mark = tmp_path / "mark"
  path = tmp_path / "a.pt"
  payload = Payload(f"touch {mark}")
  if form == "raw":
    path.write_bytes(pickle.dumps(payload))
  else:
    writer.save(path, {"w": payload}, legacy=form == "legacy")
  with pytest.raises(torch_files.TorchFileError, match=r"posix\.system"):
    torch_files.load(path)
  assert not mark.exists()
  pickle.loads(pickle.dumps(payload))  # The payload itself is in order.
  assert mark.exists()


_TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"


@pytest.mark.parametrize(("data", "message"), [
    (b"cbuiltins\neval\n(V1\ntR.", r"builtins\.eval"),
    (b"cbuiltins\ngetattr\n.", r"builtins\.getattr"),
    (b"cos\nsystem\n.", r"os\.system"),
    (b"ctorch\nload\n.", r"torch\.load"),
    (b"ctorch.storage\n_load_from_bytes\n.", "_load_from_bytes"),
    (b"ccollections\nOrderedDict.fromkeys\n.", "fromkeys"),
    # Setting attributes of what the reader hands out.
    (_TENSOR + b"}X\x01\x00\x00\x00aK\x01sb.", "sets attributes"),
    (_TENSOR + b"N}X\x08\x00\x00\x00__call__K\x01s\x86b.", "sets attributes"),
    (b"cargparse\nNamespace\nN}X\x0c\x00\x00\x00__setstate__K\x01s\x86b.",
     "__setstate__"),
    (b"cargparse\nNamespace\n)\x81N}X\x03\x00\x00\x00getK\x01s\x86b.",
     "TypeError"),
    (b"cnumpy\ndtype\n(X\x01\x00\x00\x00OtR.", "dtype"),
    (_TENSOR + b"(NK\x00))}tR.", "tensor"),
], ids=range(12))
def test_nothing_else_is_within_reach(tmp_path, data, message):
  path = tmp_path / "a.pt"
  with zipfile.ZipFile(path, "w") as archive:
    archive.writestr("archive/data.pkl", data)
  with pytest.raises(torch_files.TorchFileError, match=message):
    torch_files.load(path)


@pytest.mark.parametrize(("shape", "stride", "offset", "message"), [
    ((3, 4), (4, 1), 1, "beyond"),
    ((2, 2), (1,), 0, "stride"),
    ((-2,), (1,), 0, "shape"),
    ((1 << 40,), (0,), 0, "absurd"),
])
def test_impossible_tensors(tmp_path, shape, stride, offset, message):
  path = tmp_path / "a.pt"
  storage = np.zeros(12, np.float32)
  writer.save(path, writer.Tensor(storage, shape, stride, offset))
  with pytest.raises(torch_files.TorchFileError, match=message):
    torch_files.load(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_truncated_anywhere(tmp_path, legacy):
  path = tmp_path / "a.pt"
  writer.save(path, {"w": writer.Tensor(np.ones(64, np.float32))},
              legacy=legacy)
  whole = path.read_bytes()
  for size in [0, 1, 3, 10, *range(20, len(whole), 37), len(whole) - 1]:
    path.write_bytes(whole[:size])
    with pytest.raises(torch_files.TorchFileError, match=r"a\.pt"):
      torch_files.load(path)


def test_unsuitable_zips(tmp_path):
  path = tmp_path / "a.pt"
  with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("archive/data.pkl", b"N." + bytes(1 << 20))
  with pytest.raises(torch_files.TorchFileError, match="compress"):
    torch_files.load(path)
  with zipfile.ZipFile(path, "w") as archive:
    archive.writestr("readme.txt", "hello")
  with pytest.raises(torch_files.TorchFileError, match=r"data\.pkl"):
    torch_files.load(path)


def test_other_files(tmp_path):
  path = tmp_path / "a.pt"
  for content in (b"<!DOCTYPE html><html>", pickle.dumps({"a": 1}, 2)):
    path.write_bytes(content)
    with pytest.raises(torch_files.TorchFileError, match=r"a\.pt"):
      torch_files.load(path)
  with pytest.raises(FileNotFoundError, match=r"none\.pt"):
    torch_files.load(tmp_path / "none.pt")


def test_safetensors(tmp_path):
  safetensors = pytest.importorskip("safetensors.numpy")
  path = tmp_path / "a.safetensors"
  entries = {"w": np.arange(6, dtype=np.float32).reshape(2, 3),
             "b": np.ones(2, ml_dtypes.bfloat16), "n": np.array(3)}
  safetensors.save_file(entries, path, metadata={"kind": "k"})
  loaded, metadata = torch_files.load_safetensors(path)
  assert metadata == {"kind": "k"}
  for name, value in entries.items():
    np.testing.assert_array_equal(loaded[name], value)
  whole = path.read_bytes()
  for size in (0, 5, 40, len(whole) - 1):
    path.write_bytes(whole[:size])
    with pytest.raises(torch_files.TorchFileError, match="safetensors"):
      torch_files.load_safetensors(path)
  # NumPy has no such type.
  path.write_bytes(whole.replace(
      b'"BF16","shape":[2]', b'"F8_E4M3","shape":[4]').replace(b"}}   ", b"}}"))
  with pytest.raises(torch_files.TorchFileError, match="a.safetensors.*float8"):
    torch_files.load_safetensors(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_files_of_torch_itself(tmp_path, legacy):
  torch = pytest.importorskip("torch")
  layer = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3),
                              torch.nn.BatchNorm2d(4))
  path = tmp_path / "a.pt"
  weight = torch.arange(12.0).reshape(3, 4)
  torch.save(
      {"g": layer.state_dict(), "t": weight.t(), "p": layer[0].bias,
       "bf": weight.bfloat16(), "size": weight.shape, "dev": weight.device,
       "args": argparse.Namespace(n=1)},
      path, _use_new_zipfile_serialization=not legacy)
  loaded = torch_files.load(path)
  for name, value in layer.state_dict().items():
    np.testing.assert_array_equal(loaded["g"][name], value.numpy())
  np.testing.assert_array_equal(loaded["t"], weight.t().numpy())
  np.testing.assert_array_equal(loaded["p"], layer[0].bias.detach().numpy())
  np.testing.assert_array_equal(loaded["bf"].astype(np.float32), weight.numpy())
  assert loaded["size"] == (3, 4)
  assert loaded["args"] == {"n": 1}

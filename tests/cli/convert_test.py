"""Converting checkpoints: the job, its notes and its one-line errors."""

import collections
import datetime
import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
import safetensors.numpy

from semseg_jax import interop
from semseg_jax.cli import convert
from tests.interop import torch_writer as writer

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def _vgg():
  rng = np.random.default_rng(0)
  numbers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
  entries, inputs = {}, 3
  for n in numbers:
    entries[f"features.{n}.weight"] = rng.standard_normal(
        (4, inputs, 3, 3), dtype=np.float32)
    entries[f"features.{n}.bias"] = np.ones(4, np.float32)
    inputs = 4
  return entries


def _lin():
  return {f"lin{i}.model.1.weight": np.full((1, 4, 1, 1), i, np.float32)
          for i in range(5)}


@pytest.fixture
def files(tmp_path):
  extra = {"classifier.0.weight": np.ones((2, 2), np.float32)}
  writer.save(tmp_path / "vgg16.pth", writer.tensors(_vgg() | extra))
  writer.save(tmp_path / "lin.pth", writer.tensors(_lin()), legacy=True)
  writer.save(tmp_path / "all.pt", {
      "net": writer.tensors(_vgg()), "lin": writer.tensors(_lin()),
      "step": 3})
  return tmp_path


@pytest.mark.parametrize("sources", [
    ["vgg16.pth", "lin.pth"], ["all.pt:net", "all.pt:lin"]])
def test_written_files_are_read_back(files, sources):
  output = files / "lpips.safetensors"
  notes = convert.convert(
      "lpips/vgg", [str(files / s) for s in sources], str(output))
  assert [n for n in notes if "classifier" in n] == notes
  assert len(notes) == ("vgg16.pth" in sources)
  module, variables = interop.load(output)
  expected, wanted = interop.from_torch("lpips/vgg", _vgg() | _lin())
  assert module == expected
  jax.tree.map(np.testing.assert_array_equal, variables, wanted)
  with safetensors.safe_open(output, framework="numpy") as f:
    assert f.metadata() == {"kind": "lpips/vgg", "source": ", ".join(sources)}
    assert set(f.keys()) == set(_vgg() | _lin())
  # A written file is an input, too.
  convert.convert("lpips/vgg", [str(output)], str(files / "b.safetensors"))


@pytest.mark.parametrize(("kind", "sources", "message"), [
    ("lpips/vgg", ["none.pt"], r"none\.pt: no such file"),
    ("lpips/vgg", ["."], r"is a folder; give the file in it"),
    ("lpips/vgg", ["all.pt"], r"name one: .*all\.pt:net, .*all\.pt:lin"),
    ("lpips/vgg", ["all.pt:g_ema"], r"no state dict 'g_ema'.*net.*lin"),
    ("lpips/vgg", ["all.pt:net"], r"'lin0\.model\.1\.weight' is missing"),
    ("lpips/vgg", ["all.pt:net", "vgg16.pth"], r"features\.0\.bias.*before"),
    ("lpips/alex", ["all.pt:net", "lin.pth"], r"lpips/alex: entry"),
    ("lpips", ["all.pt:net"], "--kind=lpips: choose from .*lpips/vgg"),
    ("lpips/vgg", ["cut.pt"], r"cut\.pt: damaged or truncated"),
    ("lpips/vgg", ["text.pt"], r"text\.pt: damaged, or not a PyTorch file"),
    ("lpips/vgg", ["text.safetensors"], r"text\.safetensors: not a readable"),
])
def test_errors_say_what_is_wrong(files, kind, sources, message):
  (files / "cut.pt").write_bytes((files / "all.pt").read_bytes()[:-200])
  (files / "text.pt").write_text("<html>")
  (files / "text.safetensors").write_text("<html> not found </html>")
  output = files / "out.safetensors"
  with pytest.raises((OSError, ValueError), match=message):
    convert.convert(kind, [str(files / s) for s in sources], str(output))
  assert not output.exists()


@pytest.mark.parametrize(("content", "key"), [
    (lambda vgg: {"net": vgg, "step": 3}, ""),
    (lambda vgg: {"a": {"b": vgg}, "step": 3}, ""),
    (lambda vgg: {"a": {"b": vgg, "c": {"w": vgg["features.0.bias"]}}}, ":a.b"),
    (lambda vgg: {f"net.{k}": v for k, v in vgg.items()}, ":net"),
    (lambda vgg: vgg | {"x": {0: vgg["features.0.bias"]}}, ""),
    *((lambda vgg, x=x: {"net": vgg, "x": x}, "") for x in (
        frozenset([1]), 1j, slice(3), range(3), np.array([None], object),
        collections.defaultdict(list, a=[1]), [datetime.date(2020, 1, 1)])),
])
def test_state_dicts_within_checkpoints(tmp_path, content, key):
  writer.save(tmp_path / "a.pt", content(writer.tensors(_vgg() | _lin())))
  convert.convert("lpips/vgg", [f"{tmp_path}/a.pt{key}"],
                  str(tmp_path / "a.safetensors"))
  _, variables = interop.load(tmp_path / "a.safetensors")
  _, wanted = interop.from_torch("lpips/vgg", _vgg() | _lin())
  jax.tree.map(np.testing.assert_array_equal, variables, wanted)


def test_networks_that_diverged_and_names_with_a_prefix(tmp_path):
  entries = _vgg() | _lin()
  writer.save(tmp_path / "a.pt", writer.tensors(
      {f"net.{k}": v for k, v in entries.items()}))
  with pytest.raises(ValueError, match="--input=PATH:net takes off"):
    convert.convert("lpips/vgg", [f"{tmp_path}/a.pt"], f"{tmp_path}/o")
  entries["features.0.bias"][1] = np.nan
  writer.save(tmp_path / "a.pt", writer.tensors(entries))
  with pytest.raises(ValueError, match=r"features\.0\.bias.*not finite"):
    convert.convert("lpips/vgg", [f"{tmp_path}/a.pt"], f"{tmp_path}/o")


def test_foreign_safetensors_are_an_error(tmp_path):
  path = tmp_path / "a.safetensors"
  safetensors.numpy.save_file(_lin(), path)
  with pytest.raises(ValueError, match="not say what it holds.*labels.run"):
    interop.load(path)


def test_command_line(files):
  def run(*args):
    return subprocess.run(
        [sys.executable, "-m", "semseg_jax", "convert", "--kind=lpips/vgg",
         *args, f"--output={files}/out.safetensors"], cwd=_ROOT, text=True,
        capture_output=True, check=False, env=os.environ)

  good = run(f"--input={files}/vgg16.pth", f"--input={files}/lin.pth")
  assert good.returncode == 0, good.stderr
  assert "left out 1 entries classifier.*" in good.stdout
  assert "wrote" in good.stdout
  bad = run(f"--input={files}/all.pt:lin")
  assert bad.returncode == 1
  assert bad.stderr.startswith("error: lpips/vgg: entry 'features.0.weight'")
  assert bad.stderr.count("\n") == 1

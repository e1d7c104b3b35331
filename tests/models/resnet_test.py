"""ResNets: sizes of every variant, counts of the published ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.models import resnet

_TINY = dict(width=2, blocks=(1, 1, 1, 1))


def _sizes(module, height, width):
  image = jax.ShapeDtypeStruct((1, height, width, 3), jnp.float32)
  (last, maps), _ = jax.eval_shape(
      module.init_with_output, jax.random.key(0), image)
  assert last.shape == maps["layer4"].shape
  return {name: m.shape[1:] for name, m in maps.items()}


def count(params):
  return sum(p.size for p in jax.tree.leaves(params))


@pytest.mark.parametrize(("depth", "parameters"), [
    (18, 11689512), (34, 21797672), (50, 25557032), (101, 44549160)])
def test_published_parameter_counts(depth, parameters):
  module = resnet.Classifier(1000, depth)
  variables = jax.eval_shape(
      module.init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
  assert count(variables["params"]) == parameters


@pytest.mark.parametrize(("side", "pool", "last"), [
    (321, 81, 41), (505, 127, 64), (256, 65, 33), (512, 129, 65), (65, 17, 9),
    (64, 17, 9), (66, 17, 9), (97, 25, 13)])
def test_sizes_with_ceiling(side, pool, last):
  module = resnet.ResNet(output_stride=8, ceil_pool=True, **_TINY)
  sizes = _sizes(module, side, 64)
  assert sizes["maxpool"] == (pool, 17, 2)
  assert sizes["layer4"] == (last, 9, 64)


@pytest.mark.parametrize(("depth", "widths"), [
    (18, (2, 4, 8, 16)), (50, (8, 16, 32, 64))])
@pytest.mark.parametrize(("output_stride", "sides"), [
    (8, (16, 8, 8, 8)), (16, (16, 8, 4, 4)), (32, (16, 8, 4, 2))])
def test_output_strides(depth, widths, output_stride, sides):
  sizes = _sizes(
      resnet.ResNet(depth, output_stride=output_stride, **_TINY), 64, 64)
  for i, (side, width) in enumerate(zip(sides, widths, strict=True), start=1):
    assert sizes[f"layer{i}"] == (side, side, width)


def _network(depth=50, **options):
  module = resnet.ResNet(depth, **_TINY, **options)
  image = jax.random.normal(jax.random.key(0), (3, 33, 40, 3))
  return module, image, jax.jit(module.init)(jax.random.key(1), image)


def test_position_of_the_stride_matters_and_keeps_sizes():
  module, image, variables = _network()
  plain, _ = jax.jit(module.apply)(variables, image)
  early = module.clone(stride_first=True)
  moved, _ = jax.jit(early.apply)(variables, image)
  assert moved.shape == plain.shape
  assert np.abs(moved - plain).max() > 1e-3


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_classifier_pools_the_last_map(pooling):
  module = resnet.Classifier(
      4, 18, output_stride=16, pooling=pooling, **_TINY)
  image = jax.random.normal(jax.random.key(0), (2, 64, 48, 3))
  variables = jax.jit(module.init)(jax.random.key(1), image)
  logits, maps = jax.jit(module.apply)(variables, image)
  assert maps["layer4"].shape[1:3] == (4, 3)
  pooled = getattr(np.asarray(maps["layer4"]), pooling)((1, 2))
  fc = variables["params"]["fc"]
  np.testing.assert_allclose(
      logits, pooled @ fc["kernel"] + fc["bias"], atol=1e-5)


@pytest.mark.parametrize(("options", "message"), [
    (dict(depth=20), "depth 20"), (dict(output_stride=4), "output stride 4")])
def test_unknown_variants_are_errors(options, message):
  module = resnet.ResNet(width=2, **options)
  with pytest.raises(ValueError, match=message):
    jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))

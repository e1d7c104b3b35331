"""DeepLab: branches and sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.models import deeplab

_TINY = dict(width=2, blocks=(1, 1, 1, 1), depth=50)


def _network(**options):
  module = deeplab.DeepLabV2(5, branches=(1, 2, 3), **_TINY, **options)
  image = jax.random.normal(jax.random.key(0), (2, 65, 52, 3))
  return module, image, jax.jit(module.init)(jax.random.key(1), image)


def test_branches_are_summed():
  module, image, variables = _network()
  logits, maps = jax.jit(module.apply)(variables, image)
  assert logits.shape == (2, 9, 7, 5)
  assert maps["layer4"].shape == (2, 9, 7, 64)
  parts = []
  for branch in range(3):
    params = dict(variables["params"])
    for i in range(3):
      if i != branch:
        params[f"branch{i}"] = jax.tree.map(
            jnp.zeros_like, params[f"branch{i}"])
    parts.append(jax.jit(module.apply)({**variables, "params": params},
                                       image)[0])
  np.testing.assert_allclose(sum(parts), logits, atol=1e-5)
  first, _ = jax.jit(module.clone(used_branches=2).apply)(variables, image)
  np.testing.assert_allclose(parts[0] + parts[1], first, atol=1e-5)


@pytest.mark.parametrize(("output_stride", "size"), [(8, 8), (16, 4), (32, 2)])
def test_output_strides(output_stride, size):
  module = deeplab.DeepLabV2(3, output_stride=output_stride, **_TINY)
  (logits, _), _ = jax.eval_shape(
      module.init_with_output, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
  assert logits.shape == (1, size, size, 3)


@pytest.mark.parametrize(("options", "early", "late"), [
    (dict(depth=38, width=1), (33, 26), (9, 7)),
    (dict(depth=50, width=1), (17, 13), (9, 7)),
    (dict(depth=18, width=1, output_stride=16), (17, 13), (5, 4))])
def test_v3_plus_sizes(options, early, late):
  module = deeplab.DeepLabV3Plus(5, features=4, fine_features=3, **options)
  (logits, maps), _ = jax.eval_shape(
      module.init_with_output, jax.random.key(0), jnp.zeros((2, 65, 52, 3)))
  assert logits.shape == (2, *early, 5)
  assert maps["aspp"].shape == (2, *late, 20)
  assert maps["deep"].shape == (2, *late, 4)
  assert maps["fine"].shape == (2, *early, 3)


@pytest.mark.parametrize("options", [
    dict(depth=38, output_stride=16), dict(output_stride=32)])
def test_v3_plus_of_other_strides_is_an_error(options):
  module = deeplab.DeepLabV3Plus(3, width=1, **options)
  with pytest.raises(ValueError, match="choose 8"):
    jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))

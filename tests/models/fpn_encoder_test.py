"""FPN encoder: shapes of every variant, statistics of batch norm."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.models import fpn_encoder
from semseg_jax.models import torch_layers

_SMALL = dict(stem_width=4, blocks=(1, 1, 1, 1), fpn_channels=8,
              head_channels=8, style_dim=6)


def _count(params, name):
  return sum(1 for k in params[name] if k.startswith("conv"))


@pytest.mark.parametrize(("size", "latents", "depths"), [
    (32, 8, (1, 2, 3)), (64, 10, (2, 3, 4)), (256, 14, (4, 5, 6)),
    (16, 6, (1, 1, 2))])
def test_heads_follow_the_image(size, latents, depths):
  module = fpn_encoder.FPNEncoder(num_ws=latents, **_SMALL)
  out, variables = jax.eval_shape(
      lambda: module.init_with_output(
          jax.random.key(0), jnp.zeros((2, size, size, 3))))
  assert out.shape == (2, latents, 6)
  params = variables["params"]
  counts = [_count(params, f"heads_{i}") for i in range(latents)]
  expected = [depths[0]] * 3 + [depths[1]] * 4 + [depths[2]] * 7
  assert counts == expected[:latents]


def test_explicit_depth_and_style_head():
  image = jnp.zeros((2, 32, 32, 1))
  deep = fpn_encoder.FPNEncoder(num_ws=8, head_convs=(4, 5, 6), **_SMALL)
  params = jax.eval_shape(deep.init, jax.random.key(0), image)["params"]
  assert [_count(params, f"heads_{i}") for i in (0, 3, 7)] == [4, 5, 6]
  style = fpn_encoder.FPNEncoder(num_ws=8, style_head=True, **_SMALL)
  out, variables = jax.eval_shape(
      lambda: style.init_with_output(jax.random.key(0), image))
  assert out.shape == (2, 8, 6)
  assert variables["params"]["heads_0"]["conv"]["kernel"].shape == (3, 3, 8, 8)


def test_too_large_images_are_an_error():
  module = fpn_encoder.FPNEncoder(num_ws=8, head_convs=(1, 2, 3), **_SMALL)
  with pytest.raises(ValueError, match="more head_convs"):
    jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))


def test_style_heads_learn_statistics():
  module = fpn_encoder.FPNEncoder(num_ws=8, style_head=True, **_SMALL)
  maps = [jnp.ones((2, n, n, 8)) for n in (2, 4, 8)]
  variables = module.init(jax.random.key(0), maps, method="latents")
  _, changed = module.apply(
      variables, maps, train=True, method="latents", mutable=["batch_stats"])
  stats = changed["batch_stats"]
  assert sorted(stats) == [f"heads_{i}" for i in range(8)]
  assert all(head["bn"]["count"] == 1 for head in stats.values())


def test_batch_norm_has_torchs_statistics():
  module = torch_layers.BatchNorm()
  x = jax.random.normal(jax.random.key(0), (4, 3, 5, 2)) * 3 + 1
  variables = module.init(jax.random.key(1), x, train=True)
  y, changed = module.apply(variables, x, train=True, mutable=["batch_stats"])
  flat = np.asarray(x).reshape(-1, 2)
  stats = changed["batch_stats"]
  np.testing.assert_allclose(stats["mean"], 0.1 * flat.mean(0), rtol=1e-5)
  np.testing.assert_allclose(
      stats["var"], 0.9 + 0.1 * flat.var(0, ddof=1), rtol=1e-5)
  np.testing.assert_allclose(
      np.asarray(y).reshape(-1, 2).std(0), [1, 1], rtol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [
    ((3, 3), 1, (1, 1)), ((3, 3), 2, (1, 1)), ((1, 7), 1, (0, 3)),
    ((5, 5), 3, (2, 2))])
def test_convolution_of_maps_smaller_than_the_kernel(
    size, kernel, stride, padding):
  x = jax.random.normal(jax.random.key(0), (2, size, size + 1, 3))
  w = jax.random.normal(jax.random.key(1), (*kernel, 3, 4))
  expected = jax.lax.conv_general_dilated(
      x, w, (stride, stride), [(p, p) for p in padding],
      dimension_numbers=("NHWC", "HWIO", "NHWC"))
  convolved = torch_layers.convolve(x, w, stride=stride, padding=padding)
  np.testing.assert_allclose(convolved, expected, atol=1e-5)

"""Discriminators of label maps: counts, sizes, dropout, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.models import segmentation_discriminators as discriminators


def _image_wise(**options):
  module = discriminators.ImageDiscriminator(width=4, **options)
  pair = jax.random.normal(jax.random.key(0), (3, 33, 40, 7))
  return module, pair, jax.jit(module.init)(jax.random.key(1), pair)


def test_one_verdict_per_image():
  module, pair, variables = _image_wise()
  apply = jax.jit(module.apply)
  logits, features = apply(variables, pair)
  assert logits.shape == (3,)
  assert features.shape == (3, 32)
  alone, _ = apply(variables, pair[1:2])
  np.testing.assert_allclose(alone, logits[1:2], atol=1e-5)


def test_dropout_is_of_whole_channels_and_in_training_only():
  module, pair, variables = _image_wise()
  apply = jax.jit(lambda key: module.apply(
      variables, pair, train=True, rngs={"dropout": key},
      capture_intermediates=True, mutable=["intermediates"]))
  (first, _), captured = apply(jax.random.key(0))
  (again, _), _ = apply(jax.random.key(0))
  (other, _), _ = apply(jax.random.key(1))
  np.testing.assert_array_equal(first, again)
  assert np.abs(first - other).max() > 0
  dropped = captured["intermediates"]["Dropout_0"]["__call__"][0]
  is_zero = np.all(dropped == 0, axis=(1, 2))
  assert 0 < is_zero.sum() < is_zero.size
  cells = dropped[0, ..., 0].size
  assert np.count_nonzero(dropped == 0) == is_zero.sum() * cells
  without = module.clone(dropout=0.0).apply(variables, pair, train=True)[0]
  np.testing.assert_allclose(
      without, module.apply(variables, pair)[0], atol=1e-6)


@pytest.mark.parametrize("size", [(32, 32), (41, 65)])
def test_one_verdict_per_pixel(size):
  module = discriminators.PixelDiscriminator(width=4)
  logits, _ = jax.eval_shape(
      module.init_with_output, jax.random.key(0), jnp.zeros((2, *size, 5)))
  assert logits.shape == (2, *size)


@pytest.mark.parametrize(("module", "side"), [
    (discriminators.ImageDiscriminator(), 16),
    (discriminators.PixelDiscriminator(), 32)])
def test_small_maps_are_an_error(module, side):
  init = lambda s: jax.eval_shape(
      module.init, jax.random.key(0), jnp.zeros((1, s, 64, 4)))
  init(side)
  with pytest.raises(ValueError, match=f"at least {side} px"):
    init(side - 1)

"""Residual encoder: shapes, refusals, dependence on the batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.models import residual_encoder


@pytest.mark.parametrize(("size", "channels"), [(8, 3), (16, 1)])
def test_codes_depend_on_the_image_and_on_its_batch(size, channels):
  module = residual_encoder.ResidualEncoder(
      size=size, num_ws=5, style_dim=7, image_channels=channels,
      max_channels=8)
  image = jax.random.normal(jax.random.key(0), (4, size, size, channels))
  variables = jax.jit(module.init)(jax.random.key(1), image)
  apply = jax.jit(module.apply)
  latents = apply(variables, image)
  assert latents.shape == (4, 5, 7)
  assert latents.dtype == jnp.float32
  moved = apply(variables, image.at[3].multiply(2))
  assert np.abs(latents[3] - moved[3]).max() > 1e-2
  # The minibatch standard deviation ties a batch together.
  assert np.abs(latents[0] - moved[0]).max() > 1e-6


def test_other_channels_are_an_error():
  module = residual_encoder.ResidualEncoder(
      size=16, num_ws=6, max_channels=8)
  with pytest.raises(ValueError, match="3 channels"):
    jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 16, 16, 1)))

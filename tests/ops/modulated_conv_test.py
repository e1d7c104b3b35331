import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.ops import modulated_conv

KEYS = jax.random.split(jax.random.key(0), 3)
X = jax.random.normal(KEYS[0], (3, 6, 5, 4))
STYLE = 1 + 0.5 * jax.random.normal(KEYS[1], (3, 4))


def kernel(size):
  return jax.random.normal(KEYS[2], (size, size, 4, 2))


def test_bfloat16_agrees_loosely():
  got = modulated_conv.modulated_conv(X.astype(jnp.bfloat16), kernel(3), STYLE)
  assert got.dtype == jnp.bfloat16
  np.testing.assert_allclose(
      got.astype(jnp.float32),
      modulated_conv.modulated_conv(X, kernel(3), STYLE), atol=0.05)


def test_rejects_what_cannot_be():
  with pytest.raises(ValueError, match="exclude each other"):
    modulated_conv.modulated_conv(X, kernel(3), STYLE, up=True, down=True)
  with pytest.raises(ValueError, match="must be odd"):
    modulated_conv.modulated_conv(X, kernel(2), STYLE)

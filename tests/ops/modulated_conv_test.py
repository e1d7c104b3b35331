import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.cpu import target
from semseg_jax.ops import conv
from semseg_jax.ops import modulated_conv

KEYS = jax.random.split(jax.random.key(0), 3)
X = jax.random.normal(KEYS[0], (3, 6, 5, 4))
STYLE = 1 + 0.5 * jax.random.normal(KEYS[1], (3, 4))


def kernel(size):
  return jax.random.normal(KEYS[2], (size, size, 4, 2))


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize(
    ("size", "move"), [(1, ""), (3, ""), (5, ""), (3, "up"), (3, "down")])
def test_equals_one_kernel_per_sample(size, move, demodulate):
  k = kernel(size)
  got = modulated_conv.modulated_conv(
      X, k, STYLE, up=move == "up", down=move == "down", demodulate=demodulate)
  for i in range(len(X)):
    w = k / np.sqrt(size * size * 4) * STYLE[i][:, None]
    if demodulate:
      w = w / jnp.sqrt(jnp.sum(w**2, (0, 1, 2)) + 1e-8)
    convolve = {
        "": lambda x, w: conv.conv2d(x, w, padding=size // 2),
        "up": lambda x, w: conv.upsample_conv(x, w),
        "down": lambda x, w: conv.downsample_conv(x, w)}[move]
    with target.compiling_for("gpu"):
      expected = convolve(X[i:i + 1], w)[0]
    np.testing.assert_allclose(got[i], expected, rtol=1e-4, atol=1e-4)


def test_demodulation_forgets_the_style_s_scale():
  k = kernel(3)
  np.testing.assert_allclose(
      modulated_conv.modulated_conv(X, k, STYLE),
      modulated_conv.modulated_conv(X, k, 7 * STYLE), rtol=1e-4, atol=1e-5)


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

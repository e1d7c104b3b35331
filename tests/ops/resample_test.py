import hypothesis
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.ops import resample

FIR = np.array([1.0, 3.0, 3.0, 1.0], np.float32) / 8


def definition(x, taps, up, down, rows, cols):
  """Insert zeros, pad or crop, true convolution, decimate; in NumPy."""
  n, h, w, c = x.shape
  y = np.zeros((n, h * up, w * up, c))
  y[:, ::up, ::up] = x
  pads = [(max(p, 0), max(q, 0)) for p, q in (rows, cols)]
  y = np.pad(y, ((0, 0), *pads, (0, 0)))
  (t, b), (l, r) = ((max(-p, 0), max(-q, 0)) for p, q in (rows, cols))
  y = y[:, t:y.shape[1] - b, l:y.shape[2] - r]
  kh, kw = taps.shape
  windows = np.lib.stride_tricks.sliding_window_view(y, (kh, kw), (1, 2))
  y = np.einsum("nhwcij,ij->nhwc", windows, taps[::-1, ::-1])
  return y[:, ::down, ::down]


@hypothesis.settings(max_examples=20, deadline=None)
@hypothesis.given(
    shape=st.tuples(st.integers(3, 6), st.integers(3, 6)),
    taps=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    up=st.integers(1, 3), down=st.integers(1, 3),
    pads=st.tuples(*[st.integers(-1, 3)] * 4), seed=st.integers(0, 99))
def test_upfirdn2d_is_its_definition(shape, taps, up, down, pads, seed):
  rows, cols = pads[:2], pads[2:]
  hypothesis.assume(shape[0] * up + sum(rows) >= taps[0])
  hypothesis.assume(shape[1] * up + sum(cols) >= taps[1])
  rng = np.random.default_rng(seed)
  x = rng.normal(size=(2, *shape, 2)).astype(np.float32)
  k = rng.normal(size=taps).astype(np.float32)
  got = jax.jit(lambda x: resample.upfirdn2d(
      x, k, up=up, down=down, pad=(rows, cols)))(x)
  np.testing.assert_allclose(
      got, definition(x, k, up, down, rows, cols), atol=1e-5)


def test_one_dimensional_taps_are_separable():
  x = jax.random.normal(jax.random.key(0), (1, 5, 6, 2))
  k = np.array([1.0, 2.0, 4.0], np.float32)
  np.testing.assert_allclose(
      resample.upfirdn2d(x, k, pad=(1, 1)),
      resample.upfirdn2d(x, np.outer(k, k), pad=(1, 1)), rtol=1e-6)


def test_upfirdn2d_rejects_what_cannot_be():
  x = jnp.zeros((1, 3, 3, 1))
  with pytest.raises(ValueError, match="longer than the padded input"):
    resample.upfirdn2d(x, np.ones(4))
  with pytest.raises(ValueError, match="taps must be"):
    resample.upfirdn2d(x, np.ones((1, 1, 1)))


@pytest.mark.parametrize("pad", [(0, 0), (2, 1), (1, 1), (1, 0), (3, 3)])
@pytest.mark.parametrize("stride", [1, 2])
def test_blur_and_its_derivatives(pad, stride):
  x = jax.random.normal(jax.random.key(0), (2, 6, 7, 2))
  fast = lambda x: resample.blur(x, pad, gain=4.0, stride=stride)
  slow = lambda x: resample.upfirdn2d(x, FIR * 2, down=stride, pad=pad)
  np.testing.assert_allclose(fast(x), slow(x), atol=1e-5)

  def second(f):  # Gradient of a function of a gradient.
    inner = jax.grad(lambda x: jnp.sum(f(x) ** 3))
    return jax.jit(jax.grad(lambda x: jnp.sum(inner(x) ** 2)))(x)

  np.testing.assert_allclose(second(fast), second(slow), rtol=2e-4, atol=2e-2)


def test_upsample_is_zero_insertion_and_fir():
  x = jax.random.normal(jax.random.key(0), (2, 5, 3, 2))
  np.testing.assert_allclose(
      resample.upsample(x),
      resample.upfirdn2d(x, FIR * 2, up=2, pad=(2, 1)), atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 4), (5, 7), (6, 3), (1, 2)])
def test_average_downsample(shape):
  x = np.random.default_rng(0).normal(size=(1, *shape, 2)).astype(np.float32)
  h, w = shape
  expected = np.array([[
      x[0, max(i - 1, 0):i + 2, max(j - 1, 0):j + 2].mean((0, 1))
      for j in range(0, w, 2)] for i in range(0, h, 2)])
  np.testing.assert_allclose(
      resample.average_downsample(x)[0], expected, atol=1e-6)


@pytest.mark.parametrize(("source", "size"), [
    ((5, 4), (9, 16)), ((6, 3), (6, 3)), ((9, 11), (4, 1)), ((1, 2), (3, 5))])
def test_aligned_resizing(source, size):
  x = np.random.default_rng(0).normal(size=(2, *source, 3)).astype(np.float32)
  expected = x
  for axis in (1, 2):
    n, m = size[axis - 1], source[axis - 1]
    position = np.arange(n) * ((m - 1) / max(n - 1, 1))
    low = np.minimum(position.astype(int), m - 1)
    high = np.minimum(low + 1, m - 1)
    part = (position - low).reshape([-1 if a == axis else 1 for a in range(4)])
    expected = (np.take(expected, low, axis) * (1 - part)
                + np.take(expected, high, axis) * part)
  got = jax.jit(resample.resize_aligned, static_argnums=1)(x, size)
  np.testing.assert_allclose(got, expected, atol=1e-5)
  assert resample.resize_aligned(
      jnp.asarray(x, jnp.bfloat16), size).dtype == jnp.bfloat16

"""Shifted sums against XLA's depthwise convolution, to the second order."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.cpu import target
from semseg_jax.ops import depthwise_conv

_CASES = [  # size, taps, stride, dilation
    ((9, 12), (3, 3), 1, 1), ((7, 8), (5, 5), 2, 1), ((8, 5), (3, 3), 2, 1),
    ((6, 7), (5, 3), 1, 2), ((1, 2), (5, 5), 2, 1), ((1, 1), (3, 3), 1, 1),
    ((5, 9), (4, 2), 3, 1)]


@pytest.mark.parametrize(("size", "taps", "stride", "dilation"), _CASES)
def test_values_and_derivatives_are_those_of_xla(size, taps, stride, dilation):
  a, b, c = jax.random.split(jax.random.key(0), 3)
  x = jax.random.normal(a, (2, *size, 3))
  kernel = jax.random.normal(b, (*taps, 1, 3))
  out = [-(-n // stride) for n in size]
  weight = jax.random.normal(c, (2, *out, 3))

  def derivatives(x, kernel):
    def value(x, kernel):
      y = depthwise_conv.depthwise_conv(
          x, kernel, stride=stride, dilation=dilation)
      return jnp.sum(jnp.sin(y) * weight)

    def of_gradients(x, kernel):  # Their gradients are second derivatives.
      by_x, by_kernel = jax.grad(value, (0, 1))(x, kernel)
      return jnp.sum(by_x ** 2) + jnp.sum(by_kernel ** 3)

    return (jax.value_and_grad(value, (0, 1))(x, kernel),
            jax.grad(of_gradients, (0, 1))(x, kernel))

  results = []
  for platform in ("cpu", "gpu"):
    with target.compiling_for(platform):
      results.append(jax.jit(lambda *args: derivatives(*args))(x, kernel))
  ours, xlas = results
  for got, want in zip(
      jax.tree.leaves(ours), jax.tree.leaves(xlas), strict=True):
    np.testing.assert_allclose(
        got, want, rtol=1e-4, atol=1e-5 * np.abs(want).max())


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 4),
       st.integers(1, 3))
def test_same_padding_gives_every_stride_a_position(n, k, stride, dilation):
  (low, high), _ = depthwise_conv.same_padding(
      (n, 1), (k, 1), stride, dilation)
  reach = (k - 1) * dilation + 1
  assert (n + low + high - reach) // stride + 1 == -(-n // stride)
  assert 0 <= high - low <= 1


def test_explicit_padding():
  x = jnp.arange(4.0).reshape(1, 1, 4, 1)
  y = depthwise_conv.depthwise_conv(
      x, jnp.ones((1, 2, 1, 1)), padding=((0, 0), (2, 0)))
  np.testing.assert_array_equal(y[0, 0, :, 0], [0, 0, 1, 3, 5])


def test_kernel_of_other_channels_is_refused():
  with pytest.raises(ValueError, match=r"expected \[kh, kw, 1, 4\]"):
    depthwise_conv.depthwise_conv(
        jnp.ones((1, 5, 5, 4)), jnp.ones((3, 3, 4, 1)))

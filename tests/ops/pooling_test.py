"""Pooling by slices against XLA's windows."""

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.ops import pooling


@pytest.mark.parametrize(("window", "stride", "padding"), [
    (2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 1, 1)])
@pytest.mark.parametrize("size", [5, 8])
def test_same_as_windows(size, window, stride, padding):
  x = jax.random.normal(jax.random.key(0), (2, size, size + 3, 4))
  dims, strides = (1, window, window, 1), (1, stride, stride, 1)
  pad = ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0))
  np.testing.assert_array_equal(
      pooling.max_pool(x, window, stride, padding),
      lax.reduce_window(x, -jnp.inf, lax.max, dims, strides, pad))
  total, count = (
      lax.reduce_window(y, 0.0, lax.add, dims, strides, pad)
      for y in (x, jnp.ones_like(x)))
  np.testing.assert_allclose(
      pooling.average_pool(x, window, stride, padding), total / count,
      atol=1e-6)


def test_too_small_maps_are_an_error():
  with pytest.raises(ValueError, match="too small"):
    pooling.max_pool(jnp.zeros((1, 2, 5, 1)), 3, 2)


@pytest.mark.parametrize(("size", "window", "stride", "padding", "cells"), [
    # Sizes of s4GAN's stem, then: nothing incomplete, a window that would
    # start in the padding after the map (left out), one without padding.
    (161, 3, 2, 1, 81), (253, 3, 2, 1, 127), (32, 3, 2, 1, 17),
    (33, 3, 2, 1, 17), (4, 2, 3, 1, 2), (6, 3, 2, 0, 3)])
def test_ceil_keeps_incomplete_windows(size, window, stride, padding, cells):
  x = np.random.default_rng(0).normal(size=(1, size, 7, 1))
  got = pooling.max_pool(jnp.asarray(x), window, stride, padding, ceil=True)
  assert got.shape[1] == cells
  rows = [x[0, max(i * stride - padding, 0):i * stride - padding + window]
          for i in range(cells)]
  column = got[0, :, 0, 0]
  width = window - padding  # Of the first window, inside the map.
  np.testing.assert_allclose(column, [r[:, :width].max() for r in rows])

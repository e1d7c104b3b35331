"""Pooling with symmetric padding, written as maxima and sums of slices.

The gradient of `reduce_window` is several times slower than that of slices on
CPUs; both compute the same.
"""

import functools
import operator

import jax.numpy as jnp


def max_pool(x, window: int, stride: int, padding: int = 0, *,
             ceil: bool = False):
  """Max over windows of [N, H, W, C]; cells outside count as -inf.

  An incomplete last window is dropped, or with `ceil` used if it meets the map
  or the padding before it, as in PyTorch.
  """
  pad = [(0, 0)] * 4
  for axis in (1, 2):
    after = padding
    if ceil:
      cells = x.shape[axis] + 2 * padding
      last = -(-(cells - window) // stride) * stride  # First cell of the last.
      if last >= x.shape[axis] + padding:
        last -= stride
      after += max(last + window - cells, 0)
    pad[axis] = (padding, after)
  if pad != [(0, 0)] * 4:
    x = jnp.pad(x, pad, constant_values=-jnp.inf)
  for axis in (1, 2):
    x = functools.reduce(jnp.maximum, _shifts(x, axis, window, stride))
  return x


def average_pool(x, window: int, stride: int, padding: int = 0):
  """Mean over windows of [N, H, W, C]; cells outside are not counted."""
  for axis in (1, 2):
    pad = [(0, 0)] * 4
    pad[axis] = (padding, padding)
    inside = jnp.pad(jnp.ones((x.shape[axis],), x.dtype), padding)
    shape = [1] * 4
    shape[axis] = -1
    counts = _sum(inside.reshape(shape), axis, window, stride)
    x = _sum(jnp.pad(x, pad), axis, window, stride) / counts
  return x


def _sum(x, axis, window, stride):
  return functools.reduce(operator.add, _shifts(x, axis, window, stride))


def _shifts(x, axis, window, stride):
  """The `window` strided slices that start at 0, 1, ... along `axis`."""
  length = (x.shape[axis] - window) // stride + 1
  if length < 1:
    raise ValueError(
        f"a map of shape {x.shape} is too small for windows of {window}")
  last = (length - 1) * stride + 1
  index = [slice(None)] * x.ndim
  for start in range(window):
    index[axis] = slice(start, start + last, stride)
    yield x[tuple(index)]

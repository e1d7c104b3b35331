"""Hypercolumns: a generator's feature maps at one size, and their convolution.

`stack` is the definition. `convolve` is the same as a convolution of the stack
without ever forming it: resizing is linear and acts on each channel alone, so
channels are mixed first, at each map's own size. The shift by a tap of the
kernel goes into the matrices that resize, hence any odd kernel is exact.

At 1024 px, StyleGAN2's stack is 5056 channels at 512 x 512 (5.3 GB an image);
mixed first to 128 channels, the largest array has 128 of them.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.ops import conv
from semseg_jax.ops import resample

METHODS = ("aligned", "nearest")


def largest(maps) -> tuple[int, int]:
  """(height, width) of the largest of the maps [N, h, w, C]."""
  return max(m.shape[1:3] for m in maps)


def resize(x, size: tuple[int, int], method: str):
  """Resizes a map.

  Args:
    x: [N, h, w, C].
    size: (height, width) of the result.
    method: "aligned": bilinear with aligned corners for maps that are smaller
      than `size`, the average over cells for the others (RepurposeGAN's
      official code); "nearest": pixel floor(i * h / height).

  Returns [N, height, width, C].
  """
  n, h, w, c = x.shape
  if (h, w) == tuple(size):
    return x
  if method == "aligned" and h % size[0] == 0 and w % size[1] == 0:
    x = x.reshape(n, size[0], h // size[0], size[1], w // size[1], c)
    return x.mean((2, 4))
  return _apply(_matrix(h, size[0], method, 1), _matrix(w, size[1], method, 1),
                x[:, None, :, None])


def stack(maps, size: tuple[int, int], method: str):
  """All maps [N, h, w, C_i] at one size, concatenated: [N, H, W, sum C_i]."""
  return jnp.concatenate([resize(m, size, method) for m in maps], -1)


def reduce(maps, size: tuple[int, int], method: str):
  """The maps, larger ones than `size` brought down to it; same stack."""
  return tuple(
      resize(m, size, method) if m.shape[1] > size[0] else m for m in maps)


def convolve(maps, kernel, size: tuple[int, int], method: str):
  """Correlates `stack(maps, size, method)` with a kernel; zeros around it.

  Args:
    maps: arrays [N, h, w, C_i].
    kernel: [k, k, sum C_i, F], k odd, dtype of the maps.
    size: (H, W) of the stack.
    method: see `resize`.

  Returns [N, H, W, F].
  """
  k = kernel.shape[0]
  channels = sum(m.shape[-1] for m in maps)
  if channels != kernel.shape[2]:
    raise ValueError(
        f"the maps have {channels} channels, the kernel takes "
        f"{kernel.shape[2]}: is it of other layers or another generator?")
  # Maps of one size in one product; what is large is reduced before.
  groups = {}
  start = 0
  for m, whole in zip(reduce(maps, size, method), maps, strict=True):
    stop = start + whole.shape[-1]
    groups.setdefault(m.shape[1:3], []).append((m, kernel[:, :, start:stop]))
    start = stop
  total = 0
  for (height, width), parts in groups.items():
    x = jnp.concatenate([m for m, _ in parts], -1)
    weight = jnp.concatenate([w for _, w in parts], 2)
    if (height, width) == tuple(size):
      total += conv.conv2d(x, weight, padding=k // 2)
    else:
      total += _apply(
          _matrix(height, size[0], method, k), _matrix(width, size[1], method,
                                                       k),
          jnp.einsum("nhwc,yxcf->nyhxwf", x, weight))
  return total


def _apply(rows, columns, x):
  """rows [H, k, h], columns [W, k, w], x [N, k, h, k, w, C] -> [N, H, W, C]."""
  product = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
  rows, columns = (jnp.asarray(m, x.dtype) for m in (rows, columns))
  x = product("iyh,nyhxwc->nixwc", rows, x)
  return product("jxw,nixwc->nijc", columns, x)


@functools.lru_cache(maxsize=256)
def _matrix(before: int, after: int, method: str, taps: int) -> np.ndarray:
  """[after, taps, before]: what each tap of a kernel at each position reads."""
  if method not in METHODS:
    raise ValueError(f"resize method {method!r}; use one of {METHODS}")
  if method == "nearest":
    matrix = np.zeros((after, before))
    matrix[np.arange(after), np.arange(after) * before // after] = 1.0
  elif before >= after:
    matrix = _area(before, after)
  else:
    matrix = resample.aligned_weights(after, before)
  reach = taps // 2
  padded = np.pad(matrix, ((reach, reach), (0, 0)))
  return np.stack([padded[t:t + after] for t in range(taps)], 1).astype(
      np.float32)


def _area(before, after):
  """Means over the cells from floor(i * ratio) to ceil((i + 1) * ratio)."""
  matrix = np.zeros((after, before))
  for i in range(after):
    first, last = i * before // after, math.ceil((i + 1) * before / after)
    matrix[i, first:last] = 1.0 / (last - first)
  return matrix

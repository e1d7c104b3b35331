"""FIR resampling (StyleGAN2, Karras et al. 2020, appendix B); aligned resizing.

`upfirdn2d` is the general definition: insert zeros, pad, filter, decimate. The
others are its common cases with the taps [1, 3, 3, 1], written as shifted sums
because a depthwise convolution of 16 taps is an order of magnitude slower on
CPU and no faster elsewhere.
"""

import functools

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np


def upfirdn2d(x, taps, *, up=1, down=1, pad=(0, 0)):
  """Up-samples by zero insertion, pads, filters and decimates.

  Args:
    x: [N, H, W, C], any floating dtype.
    taps: [k] (used along both axes) or [kh, kw]; applied as a true
      convolution (flipped), without normalization.
    up: zeros are inserted after every sample so that H becomes H * up.
    down: every `down`-th sample stays.
    pad: (before, after) for both axes or ((top, bottom), (left, right));
      negative numbers crop.

  Returns [N, (H*up + sum(pad) - kh) // down + 1, likewise W, C], dtype of x.

  Raises ValueError: taps are not 1-D or 2-D, or longer than the padded input.
  """
  taps = jnp.asarray(taps, x.dtype)
  if taps.ndim == 1:
    taps = taps[:, None] * taps[None, :]
  if taps.ndim != 2:
    raise ValueError(f"taps must be [k] or [kh, kw], got {taps.shape}")
  rows, cols = (pad, pad) if isinstance(pad[0], int) else pad
  zero = (0, 0, 0)
  x = lax.pad(
      x, jnp.zeros((), x.dtype),
      (zero, *((lo, hi + up - 1, up - 1) for lo, hi in (rows, cols)), zero))
  kh, kw = taps.shape
  if x.shape[1] < kh or x.shape[2] < kw:
    raise ValueError(
        f"taps {taps.shape} are longer than the padded input {x.shape[1:3]}")
  h, w = (x.shape[1] - kh) // down + 1, (x.shape[2] - kw) // down + 1
  y = 0
  for i in range(kh):
    row = _every(x, 1, i, h, down)
    for j in range(kw):
      y = y + taps[kh - 1 - i, kw - 1 - j] * _every(row, 2, j, w, down)
  return y


def blur(x, pad, *, gain=1.0, stride=1):
  """Filters with the normalized [1, 3, 3, 1] along both axes.

  Args:
    x: [N, H, W, C].
    pad: (before, after) for both axes, each 0..3.
    gain: factor on the output.
    stride: keeps every `stride`-th sample.

  Returns [N, (H + sum(pad) - 4) // stride + 1, likewise W, C].
  """
  if stride == 1:
    return _blur(x, tuple(pad), float(gain))
  return _shifted_sums(x, pad, gain, stride)


def upsample(x):
  """Doubles both axes: zero insertion, [1, 3, 3, 1], gain 4, pad (2, 1).

  Args:
    x: [N, H, W, C].

  Returns [N, 2H, 2W, C], equal to `upfirdn2d(x, taps * 4, up=2, pad=(2, 1))`.
  """
  return _double(_double(x, 1), 2)


def average_downsample(x):
  """Average over 3x3 with stride 2 and padding 1, padded cells not counted.

  Args:
    x: [N, H, W, C].

  Returns [N, ceil(H / 2), ceil(W / 2), C].
  """
  return _thin(_thin(x, 1), 2)


def resize_aligned(x, size):
  """Bilinear resizing with the corners' centers aligned.

  Output i of n reads position i * (m - 1) / (n - 1) of m cells, as PyTorch does
  with align_corners=True. Two matrix products, in full precision everywhere.

  Args:
    x: [N, H, W, C].
    size: (rows, columns) of the result.

  Returns [N, *size, C], dtype of x.
  """
  rows, columns = (
      jnp.asarray(aligned_weights(n, m), x.dtype)
      for n, m in zip(size, x.shape[1:3], strict=True))
  highest = lax.Precision.HIGHEST
  x = jnp.einsum("iw,nhwc->nhic", columns, x, precision=highest)
  return jnp.einsum("ih,nhwc->niwc", rows, x, precision=highest)


def aligned_weights(outputs: int, inputs: int) -> np.ndarray:
  """[outputs, inputs] float32: what `resize_aligned` reads along an axis."""
  position = np.linspace(0, inputs - 1, outputs) if outputs > 1 else np.zeros(1)
  distance = np.abs(position[:, None] - np.arange(inputs))
  return np.maximum(1 - distance, 0).astype(np.float32)


# The filter is symmetric, so its adjoint is itself with padding 3 - pad. Told
# so, JAX need not transpose slices into a chain of padded additions. The rule
# calls `_blur` again, hence derivatives of any order.
@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _blur(x, pad, gain):
  return _shifted_sums(x, pad, gain, 1)


def _blur_fwd(x, pad, gain):
  return _blur(x, pad, gain), None


def _blur_bwd(pad, gain, _, g):
  return (_blur(g, (3 - pad[0], 3 - pad[1]), gain),)


_blur.defvjp(_blur_fwd, _blur_bwd)


def _shifted_sums(x, pad, gain, stride):
  x = jnp.pad(x, ((0, 0), pad, pad, (0, 0)))
  for axis in (2, 1):
    n = (x.shape[axis] - 4) // stride + 1
    a, b, c, d = (_every(x, axis, i, n, stride) for i in range(4))
    x = (a + d) + 3.0 * (b + c)
  return x * (gain / 64.0)


def _every(x, axis, start, count, step):
  """`count` samples from `start`, `step` apart."""
  stop = start + (count - 1) * step + 1
  return lax.slice_in_dim(x, start, stop, step, axis=axis)


def _double(x, axis):
  n = x.shape[axis]
  widths = [(0, 0)] * x.ndim
  widths[axis] = (1, 1)
  padded = jnp.pad(x, widths)
  before = _every(padded, axis, 0, n, 1)
  after = _every(padded, axis, 2, n, 1)
  y = jnp.stack(
      [0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis + 1)
  return y.reshape([2 * s if i == axis else s for i, s in enumerate(x.shape)])


def _thin(x, axis):
  n = x.shape[axis]
  count = (n + 1) // 2
  widths = [(0, 0)] * x.ndim
  widths[axis] = (1, 1)
  padded = jnp.pad(x, widths)
  y = sum(_every(padded, axis, i, count, 2) for i in range(3))
  centre = 2 * jnp.arange(count)
  inside = 1 + (centre > 0) + (centre < n - 1)
  shape = [count if i == axis else 1 for i in range(x.ndim)]
  return y / inside.reshape(shape).astype(x.dtype)

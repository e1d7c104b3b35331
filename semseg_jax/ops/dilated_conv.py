"""Dilated convolutions that keep the map's size.

XLA's own are slow on CPUs where outputs are few, as in DeepLab's classifier.
There all taps are one matrix product of the map, whose results are shifted and
added.
"""

from jax import lax
import jax.numpy as jnp

from semseg_jax.ops import conv

_DIMS = ("NHWC", "HWIO", "NHWC")


def dilated_conv(x, kernel, dilation: int, *, form=None):
  """Correlates x with a kernel whose taps lie `dilation` pixels apart.

  Args:
    x: [N, H, W, Ci]; zeros lie around it.
    kernel: [kh, kw, Ci, Co] with kh and kw odd, dtype of x.
    dilation: distance of the taps.
    form: "taps" (one matrix product), "plain" (XLA's dilated convolution),
      "phases" (plain kernels on every dilation-th pixel, fast in training too)
      or None for what suits platform and sizes.

  Returns:
    [N, H, W, Co].
  """
  form = form or _choose(x, kernel, dilation)
  if form == "taps":
    return _by_taps(x, kernel, dilation)
  if form == "phases":
    return _by_phases(x, kernel, dilation)
  pad = [(dilation * (k // 2),) * 2 for k in kernel.shape[:2]]
  return lax.conv_general_dilated(
      x, kernel, (1, 1), pad, rhs_dilation=(dilation, dilation),
      dimension_numbers=_DIMS)


def _choose(x, kernel, dilation):
  if conv.formulation() == "plain":
    return "plain"
  # Where taps only meet padding they need not be computed at all; where
  # outputs are few, shifting them costs little.
  few_outputs = 4 * kernel.shape[3] <= kernel.shape[2]
  rows, columns = (_offsets(n, k, dilation) for n, k in zip(
      x.shape[1:3], kernel.shape[:2], strict=True))
  lost = len(rows) * len(columns) < kernel.shape[0] * kernel.shape[1]
  if few_outputs or lost:
    return "taps"
  n, h, w, _ = x.shape
  positions = n * -(-h // dilation) * -(-w // dilation) * dilation**2
  # Fewer channels than 256 were not measured.
  wide = conv.wide(positions, kernel.shape, x.dtype, 256)
  return "phases" if wide else "plain"


def _offsets(size, taps, dilation):
  """Tap and shift of every tap that meets the map along one axis."""
  shifts = ((t, (t - taps // 2) * dilation) for t in range(taps))
  return [(t, shift) for t, shift in shifts if abs(shift) < size]


def _by_taps(x, kernel, dilation):
  _, h, w, _ = x.shape
  outputs = kernel.shape[3]
  taps = [
      (i, j, down, right)
      for i, down in _offsets(h, kernel.shape[0], dilation)
      for j, right in _offsets(w, kernel.shape[1], dilation)]
  matrix = jnp.concatenate([kernel[i, j] for i, j, _, _ in taps], axis=-1)
  columns = x @ matrix
  y = 0
  for tap, (_, _, down, right) in enumerate(taps):
    part = columns[..., tap * outputs:(tap + 1) * outputs]
    part = part[:, max(down, 0):h + min(down, 0),
                max(right, 0):w + min(right, 0)]
    y = y + jnp.pad(part, (
        (0, 0), (max(-down, 0), max(down, 0)),
        (max(-right, 0), max(right, 0)), (0, 0)))
  return y


def _by_phases(x, kernel, d):
  """Every d-th pixel sees only its like: d * d small maps, plain kernels."""
  n, h, w, c = x.shape
  pad = [(k // 2,) * 2 for k in kernel.shape[:2]]
  if d == 1:
    return conv.conv2d(x, kernel, padding=pad, form="phases")
  rows, columns = -(-h // d), -(-w // d)
  x = jnp.pad(x, ((0, 0), (0, rows * d - h), (0, columns * d - w), (0, 0)))
  x = x.reshape(n, rows, d, columns, d, c).transpose(2, 4, 0, 1, 3, 5)
  y = conv.conv2d(x.reshape(d * d * n, rows, columns, c), kernel, padding=pad,
                  form="phases")
  y = y.reshape(d, d, n, rows, columns, -1).transpose(2, 3, 0, 4, 1, 5)
  return y.reshape(n, rows * d, columns * d, -1)[:, :h, :w]

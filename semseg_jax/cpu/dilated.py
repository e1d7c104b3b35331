"""Dilated convolutions that are fast in XLA on CPU.

XLA's own are slow there where outputs are few, as in DeepLab's classifier.
"""

import jax.numpy as jnp

from semseg_jax.cpu import conv


def correlate(x, kernel, dilation):
  """See `ops.dilated_conv`."""
  # Where taps only meet padding they need not be computed at all; where
  # outputs are few, shifting them costs little.
  few_outputs = 4 * kernel.shape[3] <= kernel.shape[2]
  rows, columns = (_offsets(n, k, dilation) for n, k in zip(
      x.shape[1:3], kernel.shape[:2], strict=True))
  lost = len(rows) * len(columns) < kernel.shape[0] * kernel.shape[1]
  if few_outputs or lost:
    return by_taps(x, kernel, dilation)
  n, h, w, _ = x.shape
  positions = n * -(-h // dilation) * -(-w // dilation) * dilation**2
  # Fewer channels than 256 gain nothing.
  wide = conv.wide(positions, kernel.shape, x.dtype, 256)
  return by_phases(x, kernel, dilation) if wide else NotImplemented


def _offsets(size, taps, dilation):
  """Tap and shift of every tap that meets the map along one axis."""
  shifts = ((t, (t - taps // 2) * dilation) for t in range(taps))
  return [(t, shift) for t, shift in shifts if abs(shift) < size]


def by_taps(x, kernel, dilation):
  """One matrix product of the map for all taps, results shifted and added."""
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


def by_phases(x, kernel, d):
  """Every d-th pixel sees only its like: d * d small maps, plain kernels."""
  n, h, w, _ = x.shape
  pad = tuple((k // 2, k // 2) for k in kernel.shape[:2])
  if d == 1:
    return conv.conv2d(x, kernel, 1, pad)
  y = conv.conv2d(phases(x, d), kernel, 1, pad)
  _, rows, columns, outputs = y.shape
  y = y.reshape(d, d, n, rows, columns, outputs).transpose(2, 3, 0, 4, 1, 5)
  return y.reshape(n, rows * d, columns * d, outputs)[:, :h, :w]


def phases(x, d):
  """[d * d * N, ceil(H / d), ceil(W / d), C]: a map of every d-th pixel."""
  n, h, w, c = x.shape
  rows, columns = -(-h // d), -(-w // d)
  x = jnp.pad(x, ((0, 0), (0, rows * d - h), (0, columns * d - w), (0, 0)))
  x = x.reshape(n, rows, d, columns, d, c).transpose(2, 4, 0, 1, 3, 5)
  return x.reshape(d * d * n, rows, columns, c)

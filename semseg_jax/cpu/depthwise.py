"""Depthwise convolutions that are fast in XLA on CPU.

XLA there computes a convolution with one group a channel some ten times
slower than the sum of its taps: the map shifted and scaled, k * k times, which
it fuses into one loop. Automatic differentiation of that sum pads every tap's
cotangent on its own, so that the derivatives are given here; each is one of the
three functions again and derivatives of any order stay in the fast form.
"""

import functools

import jax
from jax import lax
import jax.numpy as jnp

_MOST_SUMS = 9  # In one loop of a weight gradient.


def correlate(x, kernel, stride, dilation, padding):
  """See `ops.depthwise_conv`; padding: ((top, bottom), (left, right))."""
  return _correlate(x, kernel[:, :, 0], _Geometry(
      x.shape[1:3], kernel.shape[:2], stride, dilation, padding))


class _Geometry:
  """Sizes of one convolution: hashable, the same for its three functions."""

  def __init__(self, size, taps, stride, dilation, padding):
    self.key = (tuple(size), tuple(taps), stride, dilation, padding)
    self.size, self.taps, self.stride, self.dilation, self.padding = self.key
    self.out = tuple(
        (n + sum(p) - (k - 1) * dilation - 1) // stride + 1
        for n, k, p in zip(size, taps, padding, strict=True))

  def __hash__(self):
    return hash(self.key)

  def __eq__(self, other):
    return self.key == other.key


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _correlate(x, w, geometry):
  """y[p] = sum over taps t of x[stride * p + dilation * t - padding] * w[t]."""
  return _sum_of_taps(_padded(x, geometry), w, geometry)


def _correlate_bwd(geometry, residuals, g):
  x, w = residuals
  return _input_gradient(g, w, geometry), _weight_gradient(x, g, geometry)


_correlate.defvjp(
    lambda x, w, geometry: (_correlate(x, w, geometry), (x, w)), _correlate_bwd)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _input_gradient(g, w, geometry):
  """Gradient with respect to the map.

  Positions of the map that differ by a multiple of the stride see the same
  taps: each such part is a sum of taps of g, as `_correlate` is.
  """
  s = geometry.stride
  size = [-(-n // s) for n in geometry.size]  # of a part
  parts = [_seen_by(k, low, geometry) for k, (low, _) in zip(
      geometry.taps, geometry.padding, strict=True)]
  pads = []
  for n, m, part in zip(size, geometry.out, parts, strict=True):
    offsets = [offset for seen in part for _, offset in seen]
    pads.append((max(0, -min(offsets)), max(0, max(offsets) + n - m)))
  (top, _), (left, _) = pads
  g = jnp.pad(g, ((0, 0), *pads, (0, 0)))
  rows = []
  for down in parts[0]:
    row = []
    for right in parts[1]:
      y = jnp.zeros((g.shape[0], *size, g.shape[3]), g.dtype)
      for i, y0 in down:
        for j, x0 in right:
          y += g[:, top + y0:top + y0 + size[0],
                 left + x0:left + x0 + size[1]] * w[i, j]
      row.append(y)
    rows.append(jnp.stack(row, 3))
  y = jnp.stack(rows, 2).reshape(
      g.shape[0], s * size[0], s * size[1], g.shape[3])
  return y[:, :geometry.size[0], :geometry.size[1]]


def _seen_by(taps, low, geometry):
  """Per position modulo the stride: pairs (tap, offset in g)."""
  s, d = geometry.stride, geometry.dilation
  return [[(t, (a + low - t * d) // s) for t in range(taps)
           if (a + low - t * d) % s == 0] for a in range(s)]


def _input_gradient_bwd(geometry, residuals, x):
  g, w = residuals
  return _correlate(x, w, geometry), _weight_gradient(x, g, geometry)


_input_gradient.defvjp(
    lambda g, w, geometry: (_input_gradient(g, w, geometry), (g, w)),
    _input_gradient_bwd)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _weight_gradient(x, g, geometry):
  """Gradient with respect to the kernel, [kh, kw, C]."""
  # The barrier keeps the padding out of the loops below.
  x = lax.optimization_barrier(_padded(x, geometry))
  kh, kw = geometry.taps
  products = [_tap(x, i, j, geometry) * g for i in range(kh) for j in range(kw)]
  # Several sums in one loop read g once; more than the registers hold is
  # slower, and so is a loop over all three axes.
  count = kh * kw if kh * kw <= _MOST_SUMS else kw
  zero = jnp.zeros((), x.dtype)
  sums = []
  for first in range(0, kh * kw, count):
    part = products[first:first + count]
    sums += lax.reduce(
        part, [zero] * len(part),
        lambda a, b: [p + q for p, q in zip(a, b, strict=True)], (2,))
  return jnp.stack([y.sum((0, 1)) for y in sums]).reshape(kh, kw, -1)


def _weight_gradient_bwd(geometry, residuals, cotangent):
  x, g = residuals
  return (_input_gradient(g, cotangent, geometry),
          _correlate(x, cotangent, geometry))


_weight_gradient.defvjp(
    lambda x, g, geometry: (_weight_gradient(x, g, geometry), (x, g)),
    _weight_gradient_bwd)


def _padded(x, geometry):
  return jnp.pad(x, ((0, 0), *geometry.padding, (0, 0)))


def _tap(x, i, j, geometry):
  """What the tap (i, j) sees of a padded map, [N, H', W', C]."""
  s, (h, w) = geometry.stride, geometry.out
  i, j = i * geometry.dilation, j * geometry.dilation
  return lax.slice(
      x, (0, i, j, 0),
      (x.shape[0], i + (h - 1) * s + 1, j + (w - 1) * s + 1, x.shape[3]),
      (1, s, s, 1))


def _sum_of_taps(x, w, geometry):
  return sum(_tap(x, i, j, geometry) * w[i, j]
             for i in range(geometry.taps[0])
             for j in range(geometry.taps[1]))

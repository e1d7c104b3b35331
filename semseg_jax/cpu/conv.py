"""Convolutions that are fast in XLA on CPU, at any derivative order.

XLA on CPU falls back to naive loops (50-200 times slower) whenever the kernel
of a convolution is larger than its unpadded input. The weight gradient of
every convolution that enlarges its input is such a case, so are 4x4 kernels on
3x3 maps; strided and transposed convolutions are slow too. The functions here
avoid all of these (reverse mode only: they have no rule for forward
differentiation). Wide 3x3 convolutions go through `winograd`.
"""

import functools
import math

import jax
from jax import lax
import jax.numpy as jnp

from semseg_jax.cpu import winograd
from semseg_jax.ops import resample

_DIMS = ("NHWC", "HWIO", "NHWC")
_NONE = ((0, 0), (0, 0))
# Least channels, and least outputs of each, for Winograd's form.
_WIDE, _MANY = 128, 1024


def conv2d(x, kernel, stride, pad):
  """See `ops.conv.conv2d`; pad: ((top, bottom), (left, right))."""
  if stride == 1:
    return _correlate_any_pad(x, kernel, pad)
  return _strided_phases(x, kernel, stride, pad)


def upsample_conv(x, kernel):
  """See `ops.conv.upsample_conv`; 3x3 kernels alone."""
  if kernel.shape[0] != 3:
    return NotImplemented
  # One row and column more than the transposed convolution has; they are 0.
  return resample.blur(_transposed_phases(x, kernel), (1, 0), gain=4.0)


def _explicit_pad(x, pad):
  # The barrier keeps XLA from folding the padding back into the convolution,
  # where it would count as unpadded again.
  if pad == _NONE:
    return x
  return lax.optimization_barrier(jnp.pad(x, ((0, 0), *pad, (0, 0))))


def _correlate_any_pad(x, kernel, pad):
  """Stride 1. Padding outside 0..k-1, or lopsided, is made explicit."""
  kh, kw = kernel.shape[:2]
  if any(lo != hi or not 0 <= lo < k for (lo, hi), k in zip(
      pad, (kh, kw), strict=True)):
    x, pad = _explicit_pad(x, pad), _NONE
  if kh == kw == 1:
    return _pointwise(x, kernel[0, 0])
  return _correlate(x, kernel, pad)


@jax.custom_vjp
def _pointwise(x, w):
  """A 1x1 convolution; w: [Ci, Co]."""
  return jnp.einsum("nhwi,io->nhwo", x, w)


def _pointwise_bwd(residuals, g):
  x, w = residuals
  # Positions along one axis: a sum over several becomes a transposed copy in
  # XLA, written with long strides. The cotangent on the left of both products.
  flat = lambda x: x.reshape(-1, x.shape[-1])
  return (jnp.einsum("nhwo,io->nhwi", g, w),
          jnp.einsum("po,pi->oi", flat(g), flat(x)).T)


_pointwise.defvjp(lambda x, w: (_pointwise(x, w), (x, w)), _pointwise_bwd)


# y = correlate(x, w) is bilinear. Its two adjoints are `_input_gradient` (dx)
# and `_weight_gradient` (dw), whose own adjoints are among the three again: the
# rules close, so derivatives of any order stay in the fast forms.


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _correlate(x, w, pad):
  if _wide(x, w.shape, pad):
    return winograd.correlate(x, _as_it_is(w), pad[0][0])
  if any(k > n for k, n in zip(
      w.shape[:2], x.shape[1:3], strict=True)):
    x, pad = _explicit_pad(x, pad), _NONE
  return lax.conv_general_dilated(
      x, w, (1, 1), pad, dimension_numbers=_DIMS)


def _correlate_bwd(pad, residuals, g):
  x, w = residuals
  return _input_gradient(g, w, pad), _weight_gradient(x, g, pad, w.shape[:2])


_correlate.defvjp(
    lambda x, w, pad: (_correlate(x, w, pad), (x, w)), _correlate_bwd)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _input_gradient(g, w, pad):
  """Gradient wrt the map: g correlated with the kernel turned round."""
  if math.prod(g.shape[:3]) <= g.shape[3]:
    return _spread(g, w, pad)
  back = tuple(
      (k - 1 - lo, k - 1 - hi)
      for (lo, hi), k in zip(pad, w.shape[:2], strict=True))
  turned = jnp.flip(w, (0, 1)).swapaxes(2, 3)
  if _wide(g, turned.shape, back):
    return winograd.input_gradient(g, _as_it_is(w), pad[0][0])
  return _correlate(g, turned, back)


def _spread(g, w, pad):
  """`_input_gradient` with the kernel as it is: one product, then sums.

  Every position of g adds its product with each tap to the position it came
  from. Where kernels have more entries than maps, turning them round costs more
  than that.
  """
  n, h, wd, o = g.shape
  kh, kw, i, _ = w.shape
  y = jnp.einsum("po,ko->pk", g.reshape(-1, o), w.reshape(-1, o))
  y = y.reshape(n, h, wd, kh, kw, i)
  (top, bottom), (left, right) = pad
  return lax.optimization_barrier(sum(
      lax.pad(y[:, :, :, a, b], jnp.zeros((), y.dtype), (
          (0, 0, 0), (a - top, kh - 1 - a - bottom, 0),
          (b - left, kw - 1 - b - right, 0), (0, 0, 0)))
      for a in range(kh) for b in range(kw)))


def _input_gradient_bwd(pad, residuals, x):
  g, w = residuals
  return _correlate(x, w, pad), _weight_gradient(x, g, pad, w.shape[:2])


_input_gradient.defvjp(
    lambda g, w, pad: (_input_gradient(g, w, pad), (g, w)),
    _input_gradient_bwd)


def _as_it_is(w):
  # The barrier keeps XLA from scaling the kernel anew for each of the
  # transform's parts.
  return lax.optimization_barrier(w)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _weight_gradient(x, g, pad, size):
  """Gradient wrt the kernel: sum over samples of x shifted times g."""
  h, w = g.shape[1:3]
  if _wide(x, (*size, x.shape[3], g.shape[3]), pad):
    return winograd.weight_gradient(x, g, pad[0][0])
  if (pad == _NONE and max(size) < 3 and
      min(x.shape[3], g.shape[3]) >= _WIDE):
    return _weight_gradient_by_taps(x, g, size)
  if h > x.shape[1] or w > x.shape[2]:
    x, pad = _explicit_pad(x, pad), _NONE
  return lax.conv_general_dilated(
      x, g, (1, 1), pad, dimension_numbers=("CHWN", "IHWO", "HWNC"))


def _weight_gradient_by_taps(x, g, size):
  """A product for each tap, for the phases of strided convolutions.

  XLA's convolution would have both maps transposed first, which takes longer in
  a network than all of this.
  """
  h, w = g.shape[1:3]
  flat = lambda x: x.reshape(-1, x.shape[-1])
  taps = [jnp.einsum("po,pi->oi", flat(g), flat(x[:, a:a + h, b:b + w])).T
          for a in range(size[0]) for b in range(size[1])]
  return jnp.stack(taps).reshape(*size, x.shape[3], g.shape[3])


def _weight_gradient_bwd(pad, size, residuals, cotangent):
  del size
  x, g = residuals
  return _input_gradient(g, cotangent, pad), _correlate(x, cotangent, pad)


_weight_gradient.defvjp(
    lambda x, g, pad, size: (_weight_gradient(x, g, pad, size), (x, g)),
    _weight_gradient_bwd)


def wide(positions: int, kernel, dtype, least: int = _WIDE) -> bool:
  """Whether Winograd's form is taken: with many channels and positions.

  Not where more than the default precision of products is asked for
  (`jax_default_matmul_precision`), as its rounding is larger than the plain
  sum's.

  Args:
    positions: of the result, those of all images.
    kernel: shape of the kernel, [kh, kw, Ci, Co].
    dtype: of the map.
    least: channels that it takes.
  """
  precise = jax.config.jax_default_matmul_precision not in (None, "default")
  return (not precise and tuple(kernel[:2]) == (3, 3) and dtype == jnp.float32
          and min(kernel[2:]) >= least and positions >= _MANY)


def _wide(x, kernel, pad):
  sides = {p for sides in pad for p in sides}
  grown = 2 * min(sides) - 2
  positions = x.shape[0] * (x.shape[1] + grown) * (x.shape[2] + grown)
  return len(sides) == 1 and wide(positions, kernel, x.dtype)


def _strided_phases(x, kernel, stride, pad):
  """A strided correlation as stride-1 correlations of the sub-sampled input."""
  x = jnp.pad(x, ((0, 0), *pad, (0, 0)))
  kh, kw, ci, co = kernel.shape
  h, w = (x.shape[1] - kh) // stride + 1, (x.shape[2] - kw) // stride + 1
  if kh % stride == 0 and kw % stride == 0:  # No tap wasted: one convolution.
    th, tw = kh // stride, kw // stride
    rows, cols = h + th - 1, w + tw - 1
    x = x[:, :rows * stride, :cols * stride]
    x = x.reshape(-1, rows, stride, cols, stride, ci)
    x = x.transpose(0, 1, 3, 2, 4, 5).reshape(-1, rows, cols, stride**2 * ci)
    q = kernel.reshape(th, stride, tw, stride, ci, co)
    q = q.transpose(0, 2, 1, 3, 4, 5).reshape(th, tw, stride**2 * ci, co)
    return _correlate_any_pad(x, q, _NONE)
  y = 0
  for a in range(min(stride, kh)):
    for b in range(min(stride, kw)):
      q = kernel[a::stride, b::stride]
      phase = x[:, a::stride, b::stride]
      phase = phase[:, :h + q.shape[0] - 1, :w + q.shape[1] - 1]
      y = y + _correlate_any_pad(phase, q, _NONE)
  return y


def _transposed_phases(x, kernel):
  """Stride-2 transposed 3x3 convolution, [N, 2H+2, 2W+2, Co] (last row 0)."""
  n, h, w, _ = x.shape
  # Even samples see taps 2 and 0, odd ones tap 1: 9 taps, none wasted.
  taps = (slice(2, None, -2), slice(1, 2))
  pads = ((1, 1), (0, 1))
  y = [
      _correlate_any_pad(x, kernel[taps[a], taps[b]], (pads[a], pads[b]))
      for a in (0, 1) for b in (0, 1)]
  y = jnp.stack(y, 3).reshape(n, h + 1, w + 1, 2, 2, -1)
  return y.transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * h + 2, 2 * w + 2, -1)


@jax.custom_vjp
def over_taps(x):
  """Sum over the first two axes: XLA's own is several times slower."""
  return sum(x[i, j] for i in range(x.shape[0]) for j in range(x.shape[1]))


over_taps.defvjp(
    lambda x: (over_taps(x), x.shape[:2]),
    lambda size, g: (jnp.broadcast_to(g, (*size, *g.shape)),))

"""Convolutions that are fast in XLA on every platform, at any derivative order.

XLA on CPU falls back to naive loops (50-200 times slower) whenever the kernel
of a convolution is larger than its unpadded input. The weight gradient of
every convolution that enlarges its input is such a case, so are 4x4 kernels on
3x3 maps; strided and transposed convolutions are slow too. The "phases"
formulation avoids all of these (reverse mode only: it has no rule for forward
differentiation); "plain" leaves everything to XLA, as GPU and TPU libraries
want it. `formulation` is the only function that chooses.

Wide 3x3 convolutions in the "phases" form go through `winograd`.
"""

import functools
import math

import jax
from jax import lax
import jax.numpy as jnp

from semseg_jax.ops import resample
from semseg_jax.ops import target
from semseg_jax.ops import winograd

_DIMS = ("NHWC", "HWIO", "NHWC")
# Least channels, and least outputs of each, for Winograd's form.
_WIDE, _MANY = 128, 1024


def formulation() -> str:
  """"phases" where XLA's own strided convolutions are slow, else "plain"."""
  return "phases" if target.platform() == "cpu" else "plain"


def conv2d(x, kernel, *, stride=1, padding=0, form=None):
  """Correlates `x` with `kernel`.

  Args:
    x: [N, H, W, Ci].
    kernel: [kh, kw, Ci, Co], dtype of x.
    stride: same along both axes.
    padding: zeros around x: one number or ((top, bottom), (left, right)).
    form: "phases", "plain" or None for `formulation()`.

  Returns:
    [N, (H + sum(padding) - kh) // stride + 1, likewise W, Co].
  """
  pad = _pairs(padding)
  if (form or formulation()) == "plain":
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), pad, dimension_numbers=_DIMS)
  if stride == 1:
    return _correlate_any_pad(x, kernel, pad)
  return _strided_phases(x, kernel, stride, pad)


def upsample_conv(x, kernel, *, form=None):
  """Transposed convolution of stride 2, then the FIR filter (gain 4).

  Args:
    x: [N, H, W, Ci].
    kernel: [k, k, Ci, Co] with k odd, in the orientation of a correlation: the
      transposed convolution adds `x[i] * kernel[t]` to sample `2 * i + t`.
    form: see `conv2d`.

  Returns:
    [N, 2H, 2W, Co].

  Source: StyleGAN2, appendix B; filter [1, 3, 3, 1].
  """
  if kernel.shape[0] == 3 and (form or formulation()) == "phases":
    # One row and column more than the transposed convolution has; they are 0.
    return resample.blur(_transposed_phases(x, kernel), (1, 0), gain=4.0)
  k = kernel.shape[0]
  y = lax.conv_general_dilated(
      x, jnp.flip(kernel, (0, 1)), (1, 1), _pairs(k - 1), lhs_dilation=(2, 2),
      dimension_numbers=_DIMS)
  excess = 3 - k  # Of the filter over the kernel; splits as in StyleGAN2.
  return _padded_blur(y, ((excess + 1) // 2 + 1, excess // 2 + 1), 4.0)


def downsample_conv(x, kernel, *, form=None):
  """The FIR filter, then a convolution of stride 2.

  Args:
    x: [N, H, W, Ci].
    kernel: [k, k, Ci, Co] with k odd.
    form: see `conv2d`.

  Returns:
    [N, H // 2, W // 2, Co].

  Source: StyleGAN2, appendix B; filter [1, 3, 3, 1].
  """
  k = kernel.shape[0]
  pad = ((k + 2) // 2, (k + 1) // 2)
  if k == 1:  # Only every second filtered sample is read.
    return conv2d(resample.blur(x, pad, stride=2), kernel, form=form)
  return conv2d(_padded_blur(x, pad, 1.0), kernel, stride=2, form=form)


def _pairs(padding):
  if isinstance(padding, int):
    return ((padding, padding), (padding, padding))
  return tuple((int(lo), int(hi)) for lo, hi in padding)


def _padded_blur(x, pad, gain):
  """`resample.blur` with padding beyond its 0..3 (kernels other than 3x3)."""
  if all(0 <= p <= 3 for p in pad):
    return resample.blur(x, pad, gain=gain)
  taps = jnp.array([1.0, 3.0, 3.0, 1.0], x.dtype) * (math.sqrt(gain) / 8)
  return resample.upfirdn2d(x, taps, pad=pad)


def _explicit_pad(x, pad):
  # The barrier keeps XLA from folding the padding back into the convolution,
  # where it would count as unpadded again.
  if pad == ((0, 0), (0, 0)):
    return x
  return lax.optimization_barrier(jnp.pad(x, ((0, 0), *pad, (0, 0))))


def _correlate_any_pad(x, kernel, pad):
  """Stride 1. Padding outside 0..k-1, or lopsided, is made explicit."""
  kh, kw = kernel.shape[:2]
  if any(lo != hi or not 0 <= lo < k for (lo, hi), k in zip(
      pad, (kh, kw), strict=True)):
    x, pad = _explicit_pad(x, pad), _pairs(0)
  if kh == kw == 1:
    return _pointwise(x, kernel[0, 0])
  return _correlate(x, kernel, pad)


@jax.custom_vjp
def _pointwise(x, w):
  """A 1x1 convolution; w: [Ci, Co]."""
  return jnp.einsum("nhwi,io->nhwo", x, w)


def _pointwise_fwd(x, w):
  return _pointwise(x, w), (x, w)


def _pointwise_bwd(residuals, g):
  x, w = residuals
  # Positions along one axis: a sum over several becomes a transposed copy in
  # XLA, written with long strides. The cotangent on the left of both products.
  flat = lambda x: x.reshape(-1, x.shape[-1])
  return (jnp.einsum("nhwo,io->nhwi", g, w),
          jnp.einsum("po,pi->oi", flat(g), flat(x)).T)


_pointwise.defvjp(_pointwise_fwd, _pointwise_bwd)


# y = correlate(x, w) is bilinear. Its two adjoints are `_input_gradient` (dx)
# and `_weight_gradient` (dw), whose own adjoints are among the three again: the
# rules close, so derivatives of any order stay in the fast forms.


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _correlate(x, w, pad):
  if _wide(x, w.shape, pad):
    return winograd.correlate(x, _as_it_is(w), pad[0][0])
  if any(k > n for k, n in zip(
      w.shape[:2], x.shape[1:3], strict=True)):
    x, pad = _explicit_pad(x, pad), _pairs(0)
  return lax.conv_general_dilated(
      x, w, (1, 1), pad, dimension_numbers=_DIMS)


def _correlate_fwd(x, w, pad):
  return _correlate(x, w, pad), (x, w)


def _correlate_bwd(pad, residuals, g):
  x, w = residuals
  return _input_gradient(g, w, pad), _weight_gradient(x, g, pad, w.shape[:2])


_correlate.defvjp(_correlate_fwd, _correlate_bwd)


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


def _input_gradient_fwd(g, w, pad):
  return _input_gradient(g, w, pad), (g, w)


def _input_gradient_bwd(pad, residuals, x):
  g, w = residuals
  return _correlate(x, w, pad), _weight_gradient(x, g, pad, w.shape[:2])


_input_gradient.defvjp(_input_gradient_fwd, _input_gradient_bwd)


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
  if h > x.shape[1] or w > x.shape[2]:
    x, pad = _explicit_pad(x, pad), _pairs(0)
  return lax.conv_general_dilated(
      x, g, (1, 1), pad, dimension_numbers=("CHWN", "IHWO", "HWNC"))


def _weight_gradient_fwd(x, g, pad, size):
  return _weight_gradient(x, g, pad, size), (x, g)


def _weight_gradient_bwd(pad, size, residuals, cotangent):
  del size
  x, g = residuals
  return _input_gradient(g, cotangent, pad), _correlate(x, cotangent, pad)


_weight_gradient.defvjp(_weight_gradient_fwd, _weight_gradient_bwd)


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
    return _correlate_any_pad(x, q, _pairs(0))
  y = 0
  for a in range(min(stride, kh)):
    for b in range(min(stride, kw)):
      q = kernel[a::stride, b::stride]
      phase = x[:, a::stride, b::stride]
      phase = phase[:, :h + q.shape[0] - 1, :w + q.shape[1] - 1]
      y = y + _correlate_any_pad(phase, q, _pairs(0))
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

"""Convolutions of one stride along both axes, and those that resample."""

import functools
import math

import jax
from jax import lax
import jax.numpy as jnp

from semseg_jax.cpu import conv as cpu_conv
from semseg_jax.cpu import target
from semseg_jax.ops import resample

_DIMS = ("NHWC", "HWIO", "NHWC")


def conv2d(x, kernel, *, stride=1, padding=0):
  """Correlates `x` with `kernel`.

  Args:
    x: [N, H, W, Ci].
    kernel: [kh, kw, Ci, Co], dtype of x.
    stride: same along both axes.
    padding: zeros around x: one number or ((top, bottom), (left, right)).

  Returns [N, (H + sum(padding) - kh) // stride + 1, likewise W, Co].
  """
  if isinstance(padding, int):
    padding = ((padding, padding), (padding, padding))
  return _correlate(
      x, kernel, stride, tuple((int(lo), int(hi)) for lo, hi in padding))


@target.on_cpu(cpu_conv.conv2d)
def _correlate(x, kernel, stride, pad):
  if stride > 1:
    return _strided(x, kernel, stride, pad)
  return lax.conv_general_dilated(
      x, kernel, (1, 1), pad, dimension_numbers=_DIMS)


# A strided correlation and its two adjoints, each of whose derivatives is one
# of the three again. JAX's own rules give the same numbers, but the kernel's
# gradient of `_input_gradient` as a correlation with a kernel as large as the
# map, which no library for GPUs knows as the gradient that it is.


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _strided(x, kernel, stride, pad):
  return lax.conv_general_dilated(
      x, kernel, (stride, stride), pad, dimension_numbers=_DIMS)


def _strided_bwd(stride, pad, residuals, g):
  x, kernel = residuals
  return (_input_gradient(g, kernel, stride, pad, x.shape[1:3]),
          _weight_gradient(x, g, stride, pad, kernel.shape[:2]))


_strided.defvjp(
    lambda x, kernel, stride, pad: (
        _strided(x, kernel, stride, pad), (x, kernel)), _strided_bwd)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _input_gradient(g, kernel, stride, pad, size):
  """Gradient of `_strided` with respect to a map of `size`."""
  back = tuple(
      (k - 1 - lo, n + lo - (m - 1) * stride - 1)
      for (lo, _), k, n, m in zip(
          pad, kernel.shape[:2], size, g.shape[1:3], strict=True))
  turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
  return lax.conv_general_dilated(
      g, turned, (1, 1), back, lhs_dilation=(stride, stride),
      dimension_numbers=_DIMS)


def _input_gradient_bwd(stride, pad, size, residuals, x):
  del size
  g, kernel = residuals
  return (_strided(x, kernel, stride, pad),
          _weight_gradient(x, g, stride, pad, kernel.shape[:2]))


_input_gradient.defvjp(
    lambda g, kernel, stride, pad, size: (
        _input_gradient(g, kernel, stride, pad, size), (g, kernel)),
    _input_gradient_bwd)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _weight_gradient(x, g, stride, pad, size):
  """Gradient of `_strided` with respect to a kernel of `size`."""
  around = tuple(
      (lo, k + (m - 1) * stride - n - lo)
      for (lo, _), k, n, m in zip(
          pad, size, x.shape[1:3], g.shape[1:3], strict=True))
  return lax.conv_general_dilated(
      x, g, (1, 1), around, rhs_dilation=(stride, stride),
      dimension_numbers=("CHWN", "IHWO", "HWNC"))


def _weight_gradient_bwd(stride, pad, size, residuals, kernel):
  del size
  x, g = residuals
  return (_input_gradient(g, kernel, stride, pad, x.shape[1:3]),
          _strided(x, kernel, stride, pad))


_weight_gradient.defvjp(
    lambda x, g, stride, pad, size: (
        _weight_gradient(x, g, stride, pad, size), (x, g)),
    _weight_gradient_bwd)


@target.on_cpu(cpu_conv.upsample_conv)
def upsample_conv(x, kernel):
  """Transposed convolution of stride 2, then the FIR filter (gain 4).

  Args:
    x: [N, H, W, Ci].
    kernel: [k, k, Ci, Co] with k odd, in the orientation of a correlation: the
      transposed convolution adds `x[i] * kernel[t]` to sample `2 * i + t`.

  Returns [N, 2H, 2W, Co].

  Source: StyleGAN2, appendix B; filter [1, 3, 3, 1].
  """
  k = kernel.shape[0]
  y = _input_gradient(
      x, kernel.swapaxes(2, 3), 2, ((0, 0), (0, 0)),
      tuple(2 * n + k - 2 for n in x.shape[1:3]))
  excess = 3 - k  # Of the filter over the kernel; splits as in StyleGAN2.
  return _padded_blur(y, ((excess + 1) // 2 + 1, excess // 2 + 1), 4.0)


def downsample_conv(x, kernel):
  """The FIR filter, then a convolution of stride 2.

  Args:
    x: [N, H, W, Ci].
    kernel: [k, k, Ci, Co] with k odd.

  Returns [N, H // 2, W // 2, Co].

  Source: StyleGAN2, appendix B; filter [1, 3, 3, 1].
  """
  k = kernel.shape[0]
  pad = ((k + 2) // 2, (k + 1) // 2)
  if k == 1:  # Only every second filtered sample is read.
    return conv2d(resample.blur(x, pad, stride=2), kernel)
  return conv2d(_padded_blur(x, pad, 1.0), kernel, stride=2)


def _padded_blur(x, pad, gain):
  """`resample.blur` with padding beyond its 0..3 (kernels other than 3x3)."""
  if all(0 <= p <= 3 for p in pad):
    return resample.blur(x, pad, gain=gain)
  taps = jnp.array([1.0, 3.0, 3.0, 1.0], x.dtype) * (math.sqrt(gain) / 8)
  return resample.upfirdn2d(x, taps, pad=pad)

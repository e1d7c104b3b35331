"""Convolutions of one stride along both axes, and those that resample."""

import math

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
  return lax.conv_general_dilated(
      x, kernel, (stride, stride), pad, dimension_numbers=_DIMS)


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
  y = lax.conv_general_dilated(
      x, jnp.flip(kernel, (0, 1)), (1, 1), ((k - 1, k - 1),) * 2,
      lhs_dilation=(2, 2), dimension_numbers=_DIMS)
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

"""Modulated convolution (StyleGAN2, Karras et al. 2020, section 2.2 and eq. 3).

The definition scales the kernel per sample by its style. Scaling the input
channels before and the output channels after one shared convolution is the
same algebra and needs no grouped convolution.
"""

import jax.numpy as jnp

from semseg_jax.cpu import conv as cpu_conv
from semseg_jax.cpu import target
from semseg_jax.ops import conv


def modulated_conv(x, kernel, style, *, up=False, down=False, demodulate=True):
  """Convolves with an equalized kernel scaled per sample and input channel.

  Args:
    x: [N, H, W, Ci]; its dtype is the compute dtype.
    kernel: [k, k, Ci, Co], unit-variance; divided by sqrt(k * k * Ci) here.
    style: [N, Ci] factors on the input channels.
    up: doubles the resolution (`conv.upsample_conv`).
    down: halves the resolution (`conv.downsample_conv`).
    demodulate: divides by the norm of each sample's scaled kernel.

  Returns [N, H', W', Co], dtype of x. Styles and norms are taken in float32.

  Raises ValueError: `up` and `down` at once, or an even kernel size.
  """
  if up and down:
    raise ValueError("up and down exclude each other")
  size = kernel.shape[0]
  if size % 2 == 0:
    raise ValueError(f"the kernel size must be odd, got {kernel.shape}")
  style = style.astype(jnp.float32)
  kernel = equalized(kernel)
  x = x * style[:, None, None].astype(x.dtype)
  cast = kernel.astype(x.dtype)
  if up:
    y = conv.upsample_conv(x, cast)
  elif down:
    y = conv.downsample_conv(x, cast)
  else:
    y = conv.conv2d(x, cast, padding=size // 2)
  if not demodulate:
    return y
  power = jnp.square(style) @ _over_taps(jnp.square(kernel))
  norm = 1.0 / jnp.sqrt(power + 1e-8)
  return y * norm[:, None, None].astype(y.dtype)


@target.on_cpu(cpu_conv.over_taps)
def _over_taps(x):
  return jnp.sum(x, (0, 1))


def equalized(kernel):
  """Kernel divided by the square root of its fan-in (all axes but the last)."""
  return kernel * float(kernel.size // kernel.shape[-1]) ** -0.5

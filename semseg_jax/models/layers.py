"""Layers with equalized learning rate (Karras et al. 2018, section 4.1).

Parameters are initialized with unit variance and scaled at use, so that every
layer sees the same effective step size.
"""

import math
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax.ops import conv
from semseg_jax.ops import modulated_conv


def scaled_leaky_relu(x):
  """Leaky ReLU with slope 0.2, times sqrt(2) to keep the variance."""
  return jax.nn.leaky_relu(x, 0.2) * math.sqrt(2)


class EqualDense(nn.Module):
  """Linear layer on the last axis: [..., in] -> [..., features].

  `lr_multiplier` scales kernel and bias at use (their gradients with them) and
  divides the initial values. `activate` appends `scaled_leaky_relu`.
  """
  features: int
  lr_multiplier: float = 1.0
  bias_init: float = 0.0
  activate: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    fan_in, lr = x.shape[-1], self.lr_multiplier
    kernel = self.param(
        "kernel", nn.initializers.normal(1 / lr), (fan_in, self.features))
    bias = self.param(
        "bias", nn.initializers.constant(self.bias_init / lr),
        (self.features,))
    kernel = (kernel * (lr / math.sqrt(fan_in))).astype(self.dtype)
    y = x.astype(self.dtype) @ kernel + (bias * lr).astype(self.dtype)
    return scaled_leaky_relu(y) if self.activate else y


class EqualConv(nn.Module):
  """Convolution of odd size: [N, H, W, Ci] -> [N, H', W', features].

  Keeps the resolution, or with `down` blurs and halves it. `activate` adds a
  bias and `scaled_leaky_relu`; without it there is neither.
  """
  features: int
  kernel_size: int = 3
  down: bool = False
  activate: bool = True
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    size = self.kernel_size
    kernel = self.param(
        "kernel", nn.initializers.normal(1),
        (size, size, x.shape[-1], self.features))
    kernel = modulated_conv.equalized(kernel).astype(self.dtype)
    x = x.astype(self.dtype)
    if self.down:
      y = conv.downsample_conv(x, kernel)
    else:
      y = conv.conv2d(x, kernel, padding=size // 2)
    if not self.activate:
      return y
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    return scaled_leaky_relu(y + bias.astype(self.dtype))

"""Convolution and batch normalization with PyTorch's conventions.

Symmetric padding (JAX's "SAME" pads even maps differently under a stride),
PyTorch's default initialization, and running variances that take the unbiased
batch variance, which flax's own BatchNorm does not.
"""

from typing import Any

from flax import linen as nn
import jax
from jax import lax
import jax.numpy as jnp

from semseg_jax.ops import conv
from semseg_jax.ops import dilated_conv

# PyTorch's default: uniform, standard deviation 1 / sqrt(3 fan-in).
_default_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Conv(nn.Module):
  """2-D convolution: [N, H, W, I] -> [N, H', W', features]."""
  features: int
  # kernel, padding: one number for both axes or a pair (rows, columns).
  kernel: int | tuple[int, int] = 3
  stride: int = 1
  padding: int | tuple[int, int] = 0
  use_bias: bool = True
  # Distance of the taps; if above 1, the stride is 1 and the padding what keeps
  # the map's size.
  dilation: int = 1
  # Initializer of the weight; None for PyTorch's default.
  kernel_init: Any = None
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    size, padding = _pair(self.kernel), _pair(self.padding)
    fan_in = size[0] * size[1] * x.shape[-1]
    weight = self.param(
        "kernel", self.kernel_init or _default_init,
        (*size, x.shape[-1], self.features), jnp.float32)
    x, weight = x.astype(self.dtype), weight.astype(self.dtype)
    if self.dilation == 1:
      y = convolve(x, weight, stride=self.stride, padding=padding)
    elif (self.stride, padding) == (
        1, tuple(self.dilation * (k // 2) for k in size)):
      y = dilated_conv.dilated_conv(x, weight, self.dilation)
    else:
      raise ValueError(
          f"a dilated convolution keeps the map's size; got kernel {size}, "
          f"dilation {self.dilation}, stride {self.stride}, padding {padding}")
    if self.use_bias:
      bias = self.param("bias", uniform(fan_in ** -0.5), (self.features,))
      y = y + bias.astype(self.dtype)
    return y


class Dense(nn.Module):
  """Linear layer on the last axis, with PyTorch's default initialization."""
  features: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    fan_in = x.shape[-1]
    weight = self.param("kernel", _default_init, (fan_in, self.features))
    bias = self.param("bias", uniform(fan_in ** -0.5), (self.features,))
    return x.astype(self.dtype) @ weight.astype(
        self.dtype) + bias.astype(self.dtype)


class BatchNorm(nn.Module):
  """Batch normalization over all axes but the last; statistics in float32.

  Normalizes with the biased batch variance in training and with the running
  statistics otherwise. Collection "batch_stats": mean, var (of the unbiased
  variance) and count, the number of batches seen.
  """
  momentum: float = 0.9
  epsilon: float = 1e-5
  frozen_affine: bool = False  # scale and bias get no gradient
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x, *, train: bool):
    shape = x.shape[-1:]
    mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
    var = self.variable("batch_stats", "var", jnp.ones, shape)
    count = self.variable("batch_stats", "count", jnp.zeros, (), jnp.int32)
    scale = self.param("scale", nn.initializers.ones, shape)
    bias = self.param("bias", nn.initializers.zeros, shape)
    if self.frozen_affine:
      scale, bias = lax.stop_gradient((scale, bias))
    if train:
      axes = tuple(range(x.ndim - 1))
      used_mean = x.astype(jnp.float32).mean(axes)
      used_var = x.astype(jnp.float32).var(axes)
      if not self.is_initializing():
        cells = x.size // x.shape[-1]
        unbiased = used_var * (cells / max(cells - 1, 1))
        keep = self.momentum
        mean.value = keep * mean.value + (1 - keep) * used_mean
        var.value = keep * var.value + (1 - keep) * unbiased
        count.value = count.value + 1
    else:
      used_mean, used_var = mean.value, var.value
    factor = scale * lax.rsqrt(used_var + self.epsilon)
    y = (x.astype(jnp.float32) - used_mean) * factor + bias
    return y.astype(self.dtype)


def convolve(x, weight, *, stride: int, padding: tuple[int, int]):
  """Correlation of [N, H, W, I] with [h, w, I, O], zeros outside the map."""
  if x.shape[1] < weight.shape[0] or x.shape[2] < weight.shape[1]:
    return _convolve_taps(x, weight, stride, padding)
  return conv.conv2d(
      x, weight, stride=stride, padding=[(p, p) for p in padding])


def _convolve_taps(x, weight, stride, padding):
  """The same by one matrix product, for maps smaller than the kernel.

  Taps that only ever meet padding are left out: a 3x3 kernel on a single cell
  is one ninth of the work.
  """
  rows = _reachable(x.shape[1], weight.shape[0], stride, padding[0])
  columns = _reachable(x.shape[2], weight.shape[1], stride, padding[1])
  x = jnp.pad(x, ((0, 0), (padding[0],) * 2, (padding[1],) * 2, (0, 0)))
  high = (x.shape[1] - weight.shape[0]) // stride + 1
  wide = (x.shape[2] - weight.shape[1]) // stride + 1
  if high < 1 or wide < 1:
    raise ValueError(
        f"a padded map of shape {x.shape} is smaller than the kernel "
        f"{weight.shape[:2]}")
  taps = [
      x[:, i:i + (high - 1) * stride + 1:stride,
        j:j + (wide - 1) * stride + 1:stride]
      for i in rows for j in columns]
  matrix = weight[rows.start:rows.stop, columns.start:columns.stop]
  matrix = matrix.reshape(-1, weight.shape[-1])
  return jnp.concatenate(taps, axis=-1) @ matrix


def _reachable(size, kernel, stride, padding):
  """Range of taps that meet at least one cell of the map."""
  outputs = range((size + 2 * padding - kernel) // stride + 1)
  met = [k for k in range(kernel)
         if any(0 <= o * stride + k - padding < size for o in outputs)]
  return range(met[0], met[-1] + 1) if met else range(0)


def resize_like(x, like):
  """Bilinear, corners not aligned, no antialiasing: to another map's size."""
  return jax.image.resize(
      x, (*like.shape[:3], x.shape[-1]), "linear", antialias=False)


def _pair(value):
  return (value, value) if isinstance(value, int) else tuple(value)


def uniform(bound):
  """Initializer: uniform in [-bound, bound]."""
  return lambda key, shape: jax.random.uniform(
      key, shape, jnp.float32, -bound, bound)

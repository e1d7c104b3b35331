"""Image discriminator of StyleGAN2 and the patch discriminator of label pairs.

Karras et al. 2020 (residual discriminator), Wang et al. 2018 (pix2pixHD,
multi-scale patch discriminator) as combined in SemanticGAN (Li et al. 2021).
"""

import math
from typing import Any

from flax import linen as nn
import jax
from jax import lax
import jax.numpy as jnp

from semseg_jax.models import layers
from semseg_jax.models import spectral_conv
from semseg_jax.models import stylegan2
from semseg_jax.ops import conv
from semseg_jax.ops import resample


def minibatch_stddev(x):
  """Mean standard deviation over groups of 4 samples (Karras et al. 2018).

  Args:
    x: [N, H, W, C]. N below 4 is one group; otherwise 4 must divide N. Sample
      i belongs to group i mod (N / 4), as in the official networks.

  Returns:
    [N, H, W, 1], the same number at every position of a sample.

  Raises:
    ValueError: N is above 4 and no multiple of 4.
  """
  n, h, w, c = x.shape
  group = min(n, 4)
  if n % group:
    raise ValueError(f"the batch must be < 4 or a multiple of 4, got {n}")
  y = x.astype(jnp.float32).reshape(group, n // group, h, w, c)
  stddev = jnp.sqrt(jnp.var(y, axis=0) + 1e-8).mean((1, 2, 3))
  stddev = jnp.tile(stddev, group).astype(x.dtype)
  return jnp.broadcast_to(stddev[:, None, None, None], (n, h, w, 1))


class ResidualBlock(nn.Module):
  """Two 3x3 convolutions and a 1x1 skip; halves the resolution."""
  features: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    y = layers.EqualConv(x.shape[-1], dtype=self.dtype, name="conv1")(x)
    y = layers.EqualConv(
        self.features, down=True, dtype=self.dtype, name="conv2")(y)
    skip = layers.EqualConv(
        self.features, kernel_size=1, down=True, activate=False,
        dtype=self.dtype, name="skip")(x)
    return (y + skip) * (1 / math.sqrt(2))


class ImageTrunk(nn.Module):
  """Everything of `ImageDiscriminator` before its linear layers.

  Attributes: see `ImageDiscriminator`.
  """
  size: int
  channel_multiplier: float = 2.0
  max_channels: int = 512
  channels: tuple | None = None
  dtype: Any = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(self, image):
    """image [N, S, S, C] -> ([N, 4*4*width], features by name)."""
    if image.shape[1:3] != (self.size, self.size):
      raise ValueError(f"images must be {self.size} px, got {image.shape}")
    table = stylegan2.widths(
        self.size, self.channels, self.channel_multiplier, self.max_channels)
    x = layers.EqualConv(
        table[self.size], kernel_size=1, dtype=self.dtype, name="from_image")(
            image)
    features = {"from_image": x}
    block = nn.remat(ResidualBlock) if self.remat else ResidualBlock
    resolution = self.size
    while resolution > 4:
      name = f"block{resolution}"
      resolution //= 2
      x = block(table[resolution], dtype=self.dtype, name=name)(x)
      features[name] = x
    features["stddev"] = minibatch_stddev(x)
    x = jnp.concatenate([x, features["stddev"]], -1)
    x = layers.EqualConv(table[4], dtype=self.dtype, name="final")(x)
    features["final"] = x
    return x.reshape(x.shape[0], -1), features


class ImageDiscriminator(nn.Module):
  """StyleGAN2's residual discriminator.

  Attributes:
    size: resolution, a power of two >= 8.
    image_channels: 3 or 1.
    channel_multiplier: scales the widths from 64 px on.
    max_channels: cap on every width.
    channels: tuple of (resolution, width) pairs overriding the table.
    dtype: compute dtype; logits are float32.
    remat: compute the blocks again in the backward pass, keep their outputs.
  """
  size: int
  image_channels: int = 3
  channel_multiplier: float = 2.0
  max_channels: int = 512
  channels: tuple | None = None
  dtype: Any = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(self, image):
    """Scores images.

    Args:
      image: [N, S, S, C] in [-1, 1]; N < 4 or a multiple of 4.

    Returns:
      (logits [N], features): "from_image", "block{resolution of its input}"
      from fine to coarse, "stddev" (the appended plane), "final"; NHWC.

    Raises:
      ValueError: the shape or the batch does not fit.
    """
    if image.shape[-1] != self.image_channels:
      raise ValueError(
          f"images must have {self.image_channels} channels, got "
          f"{image.shape}")
    x, features = ImageTrunk(
        self.size, self.channel_multiplier, self.max_channels, self.channels,
        self.dtype, self.remat, name="trunk")(image)
    hidden = stylegan2.widths(
        self.size, self.channels, self.channel_multiplier,
        self.max_channels)[4]
    x = layers.EqualDense(
        hidden, activate=True, dtype=self.dtype, name="hidden")(x)
    logits = layers.EqualDense(1, name="logit")(x)
    return logits[:, 0], features


class PatchScale(nn.Module):
  """One scale of `PatchDiscriminator`: pair -> list of layer outputs."""
  width: int = 64
  num_layers: int = 3
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x, update_stats):
    x = x.astype(self.dtype)
    maps = []
    for i in range(self.num_layers + 2):
      stride = 2 if i < self.num_layers else 1
      if 0 < i <= self.num_layers:
        width = min(self.width * 2**i, 512)
        x = spectral_conv.SpectralConv(
            width, stride, dtype=self.dtype, name=f"conv{i}")(x, update_stats)
        x = instance_norm(x)
      else:
        x = _BiasedConv(
            1 if i else self.width, stride, dtype=self.dtype,
            name=f"conv{i}")(x)
      if i <= self.num_layers:
        x = jax.nn.leaky_relu(x, 0.2)
      maps.append(x)
    return maps


class PatchDiscriminator(nn.Module):
  """Multi-scale patch discriminator of (image, label) pairs.

  Attributes:
    width: channels of the first layer; doubled by each further one up to 512.
    num_layers: strided layers per scale.
    num_scales: scales, each at half the resolution of the one before.
    all_maps: returns every layer's output, not the score maps alone.
    dtype: compute dtype.

  Variables: "params" and "spectral" (see `SpectralConv`).
  """
  width: int = 64
  num_layers: int = 3
  num_scales: int = 3
  all_maps: bool = True
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, pair, *, update_stats: bool):
    """Scores pairs.

    Args:
      pair: [N, H, W, 3 + K], the image and the label maps or logits.
      update_stats: takes a step of the power iteration before use; needs
        `mutable=["spectral"]`.

    Returns:
      List over scales (0 = full resolution) of the list of layer outputs; the
      last one is the score map [N, h, w, 1].
    """
    scales = []
    for i in range(self.num_scales):
      maps = PatchScale(
          self.width, self.num_layers, dtype=self.dtype, name=f"scale{i}")(
              pair, update_stats)
      scales.append(maps if self.all_maps else maps[-1:])
      if i + 1 < self.num_scales:
        pair = resample.average_downsample(pair)
    return scales


def instance_norm(x):
  """Zero mean, unit variance per sample and channel (biased, eps 1e-5)."""
  y = x.astype(jnp.float32)
  y = y - jnp.mean(y, (1, 2), keepdims=True)
  variance = jnp.mean(jnp.square(y), (1, 2), keepdims=True)
  return (y * lax.rsqrt(variance + 1e-5)).astype(x.dtype)


class _BiasedConv(nn.Module):
  """4x4 convolution with bias, padding 2."""
  features: int
  stride: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    kernel = self.param(
        "kernel", nn.initializers.normal(0.02),
        (4, 4, x.shape[-1], self.features))
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    y = conv.conv2d(
        x, kernel.astype(self.dtype), stride=self.stride, padding=2)
    return y + bias.astype(self.dtype)

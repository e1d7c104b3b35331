"""StyleGAN2 generator with an optional label branch.

Karras et al. 2020 (StyleGAN2, skip architecture); the label branch is that of
SemanticGAN (Li et al. 2021, section 3.1): a second skip branch of C logits fed
by the same features and latents as the image branch.
"""

import math
from typing import Any
from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax.models import layers
from semseg_jax.ops import modulated_conv
from semseg_jax.ops import resample


class Sample(NamedTuple):
  """image: [N, S, S, C]; logits: [N, S, S, K] or None without label branch."""
  image: Any
  logits: Any


def channel_table(size, channel_multiplier=2.0, max_channels=512):
  """Widths by resolution, ((4, width), (8, width), ..., (size, width))."""
  check_size(size)
  m = channel_multiplier
  table = []
  for i in range(2, int(math.log2(size)) + 1):
    width = 512 if i <= 5 else int(m * 2 ** (14 - i))
    table.append((2**i, min(width, max_channels)))
  return tuple(table)


def check_size(size):
  """Raises ValueError unless `size` is a power of two and at least 8."""
  if size < 8 or size & (size - 1):
    raise ValueError(f"size must be a power of two >= 8, got {size}")


def widths(size, channels, channel_multiplier, max_channels):
  """{resolution: width}; `channels`, a tuple of pairs, overrides the table."""
  table = dict(channel_table(size, channel_multiplier, max_channels))
  table.update(channels or ())
  return table


class StyledConv(nn.Module):
  """Modulated 3x3 convolution, noise, bias, activation."""
  features: int
  up: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x, latent, noise):
    """x [N, h, w, C], latent [N, D], noise [N or 1, h', w', 1]."""
    width = x.shape[-1]
    kernel = self.param(
        "kernel", nn.initializers.normal(1), (3, 3, width, self.features))
    style = layers.EqualDense(width, bias_init=1.0, name="style")(latent)
    strength = self.param("noise_strength", nn.initializers.zeros, ())
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    y = modulated_conv.modulated_conv(
        x.astype(self.dtype), kernel, style, up=self.up)
    y = y + (strength * noise).astype(y.dtype) + bias.astype(y.dtype)
    return layers.scaled_leaky_relu(y)


class ToRGB(nn.Module):
  """Per-sample weights of the modulated 1x1 convolution to the image."""
  features: int

  @nn.compact
  def __call__(self, latent, width):
    """latent [N, D] -> ([N, width, features], [features]), float32."""
    kernel = self.param(
        "kernel", nn.initializers.normal(1), (width, self.features))
    style = layers.EqualDense(width, bias_init=1.0, name="style")(latent)
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    return style[:, :, None] * modulated_conv.equalized(kernel), bias


class ToLogits(ToRGB):
  """The same of the label branch (SemanticGAN, section 3.1)."""


class Generator(nn.Module):
  """Mapping and synthesis network.

  Attributes:
    size: resolution, a power of two >= 8.
    style_dim: length D of z and of each latent.
    mlp_layers: layers of the mapping network.
    image_channels: 3 or 1.
    label_channels: logits K of the label branch; 0 for none.
    channel_multiplier: scales the widths from 64 px on.
    max_channels: cap on every width.
    channels: tuple of (resolution, width) pairs overriding the table.
    dtype: compute dtype of the feature maps. Mapping, styles, demodulation and
      the skip branches are float32 always; their products have the precision of
      `config.matmul_precision`.
    remat: keep only the blocks' outputs for the backward pass and compute
      what is inside them again.

  Variables: "params", and "noise": the constant noise maps that `noise=None`
  stands for.
  """
  size: int
  style_dim: int = 512
  mlp_layers: int = 8
  image_channels: int = 3
  label_channels: int = 0
  channel_multiplier: float = 2.0
  max_channels: int = 512
  channels: tuple | None = None
  dtype: Any = jnp.float32
  remat: bool = False

  @property
  def resolutions(self) -> tuple[int, ...]:
    """4, 8, ..., size."""
    check_size(self.size)
    return tuple(2**i for i in range(2, int(math.log2(self.size)) + 1))

  @property
  def num_ws(self) -> int:
    """L: latents that the synthesis network takes."""
    return 2 * len(self.resolutions)

  @property
  def noise_shapes(self) -> tuple[tuple[int, int], ...]:
    """(h, w) of each noise map, one per styled convolution."""
    first, *rest = self.resolutions
    return ((first, first), *((r, r) for r in rest for _ in range(2)))

  def setup(self):
    table = widths(
        self.size, self.channels, self.channel_multiplier, self.max_channels)
    for i in range(self.mlp_layers):
      setattr(self, f"mapping{i}", layers.EqualDense(
          self.style_dim, lr_multiplier=0.01, activate=True))
    self.const = self.param("const", nn.initializers.normal(1), (
        4, 4, table[4]))
    styled = nn.remat(StyledConv) if self.remat else StyledConv
    for r in self.resolutions:
      if r > 4:
        setattr(self, f"conv{r}_up", styled(
            table[r], up=True, dtype=self.dtype))
      setattr(self, f"conv{r}", styled(table[r], dtype=self.dtype))
      setattr(self, f"to_rgb{r}", ToRGB(self.image_channels))
      if self.label_channels:
        setattr(self, f"to_logits{r}", ToLogits(self.label_channels))
    self.constant_noise = ()
    if self.is_initializing() or self.has_variable("noise", "noise0"):
      self.constant_noise = tuple(
          self.variable("noise", f"noise{i}", self._initial_noise, (1, *hw, 1))
          for i, hw in enumerate(self.noise_shapes))

  def __call__(self, z, noise=None):
    """z [N, D] -> (Sample, features): one latent for all layers."""
    return self.synthesize(
        broadcast_latents(self.mapping(z), self.num_ws), noise)

  def mapping(self, z):
    """z: [N, D], normal -> w: [N, D]."""
    x = z * jax.lax.rsqrt(jnp.mean(jnp.square(z), -1, keepdims=True) + 1e-8)
    for i in range(self.mlp_layers):
      x = getattr(self, f"mapping{i}")(x)
    return x

  def synthesize(self, latents, noise=None):
    """Renders latents.

    Args:
      latents: [N, L, D].
      noise: tuple of [N or 1, h, w, 1] as in `noise_shapes`, or None for the
        constant maps in the collection "noise".

    Returns:
      (Sample, features). Features by name, NHWC: "conv4", "conv8_up", "conv8",
      ...: outputs of the styled convolutions; "image4", "label4", "image8",
      ...: running sums of the skip branches.

    Raises:
      ValueError: a shape does not fit.
    """
    if latents.ndim != 3 or latents.shape[1] != self.num_ws:
      raise ValueError(
          f"latents must be [N, {self.num_ws}, {self.style_dim}], got "
          f"{latents.shape}")
    noise = self._noise(noise)
    features = {}
    x = jnp.broadcast_to(
        self.const.astype(self.dtype), (latents.shape[0], *self.const.shape))
    skip = None
    for j, r in enumerate(self.resolutions):
      first = max(2 * j - 1, 0)  # Of this resolution's latents and noise maps.
      if j:
        x = getattr(self, f"conv{r}_up")(x, latents[:, first], noise[first])
        features[f"conv{r}_up"] = x
      index = 2 * j
      x = getattr(self, f"conv{r}")(x, latents[:, index], noise[index])
      features[f"conv{r}"] = x
      skip = self._skip(r, x, latents[:, index + 1], skip)
      features[f"image{r}"] = skip[..., :self.image_channels]
      if self.label_channels:
        features[f"label{r}"] = skip[..., self.image_channels:]
    last = self.resolutions[-1]
    return Sample(
        features[f"image{last}"], features.get(f"label{last}")), features

  def _skip(self, resolution, x, latent, skip):
    # Both branches in one batched product and one up-sampling.
    heads = [getattr(self, f"to_rgb{resolution}")]
    if self.label_channels:
      heads.append(getattr(self, f"to_logits{resolution}"))
    kernels, biases = zip(
        *(head(latent, x.shape[-1]) for head in heads), strict=True)
    # Positions along one axis: the gradient's sum over two would be a
    # transposed copy in XLA.
    y = jnp.einsum(
        "npi,nio->npo", x.reshape(x.shape[0], -1, x.shape[-1]),
        jnp.concatenate(kernels, -1).astype(x.dtype),
        preferred_element_type=jnp.float32)
    y = y.reshape(*x.shape[:-1], -1) + jnp.concatenate(biases)
    return y if skip is None else y + resample.upsample(skip)

  def _initial_noise(self, shape):
    return jax.random.normal(self.make_rng("params"), shape)

  def _noise(self, noise):
    shapes = self.noise_shapes
    if noise is None:
      if not self.constant_noise:
        raise ValueError(
            "pass noise maps, or the collection 'noise' for the constant ones")
      noise = tuple(m.value for m in self.constant_noise)
    got = tuple(m.shape[1:] for m in noise)
    if got != tuple((*hw, 1) for hw in shapes):
      raise ValueError(f"noise maps must be {shapes}, got {got}")
    return noise


def broadcast_latents(w, num_ws):
  """[N, D] -> [N, L, D], the same latent for every layer."""
  return jnp.broadcast_to(
      w[:, None], (w.shape[0], num_ws, w.shape[-1]))


def mix_latents(w1, w2, index, num_ws):
  """Latents before `index` from w1 [N, D], the others from w2; [N, L, D].

  `index` may be traced: a number, or [N] for one per sample.
  """
  first = jnp.arange(num_ws) < jnp.asarray(index)[..., None]
  first = jnp.broadcast_to(first, (w1.shape[0], num_ws))
  return jnp.where(first[..., None], w1[:, None], w2[:, None])


def restyle(w, other, mean, psi, num_ws):
  """Latents [N, L, D] of samples w in the colors and textures of others.

  Style mixing (Karras et al., CVPR 2019, section 3.1): the last four layers (at
  most half of all) take `other` [N, D] at psi [N, 1] times its distance from
  the mean: beyond 1 colors that no training image has.
  """
  return mix_latents(w, truncate(other, mean, psi),
                     max(num_ws - 4, num_ws // 2), num_ws)


def truncate(latents, mean, psi):
  """mean + psi * (latents - mean); latents [..., D], mean broadcast to it."""
  return mean + psi * (latents - mean)


def random_noise(key, n, noise_shapes):
  """Tuple of standard normal maps [n, h, w, 1], one per shape."""
  keys = jax.random.split(key, len(noise_shapes))
  return tuple(
      jax.random.normal(k, (n, h, w, 1))
      for k, (h, w) in zip(keys, noise_shapes, strict=True))

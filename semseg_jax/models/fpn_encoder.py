"""Images to W+ latents: feature pyramid encoder (SemanticGAN, section 3.2).

A ResNet-50 goes down, a feature pyramid (Lin et al. 2017) comes up again, and
every W+ latent has a head of its own on one of the pyramid's levels.
"""

import math
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax.models import layers
from semseg_jax.models import resnet
from semseg_jax.models import torch_layers
from semseg_jax.ops import pooling


class FPNEncoder(nn.Module):
  """Image [N, H, W, C] in [-1, 1] -> latents [N, num_ws, style_dim]."""
  num_ws: int  # latents of the generator, 2 * log2(size) - 2
  style_dim: int = 512  # length of a latent
  # How many latents read P4 and P3; the others read P2. With fewer latents than
  # that, the later levels have fewer.
  latent_split: tuple[int, int] = (3, 4)
  # Channels after the first convolution; stage i of the ResNet is 4 * 2**i
  # times as wide.
  stem_width: int = 64
  blocks: tuple[int, int, int, int] = (3, 4, 6, 3)  # bottlenecks per stage
  # fpn_channels, head_channels: widths of the pyramid and of the heads.
  fpn_channels: int = 512
  head_channels: int = 512
  # Strided convolutions of a head on P4, P3 and P2: (4, 5, 6) in the official
  # code, made for 256 px. None: as many as take the map to one cell.
  head_convs: tuple[int, int, int] | None = None
  # Heads are a 3x3 convolution, batch norm, ReLU, spatial mean and a linear
  # layer instead.
  style_head: bool = False
  dtype: Any = jnp.float32  # compute dtype; latents are float32

  def setup(self):
    self.fpn = FeaturePyramid(
        self.stem_width, self.blocks, self.fpn_channels, self.dtype)
    convs = self.head_convs or (None, None, None)
    levels = levels_of(self.latent_split, self.num_ws)
    if self.style_head:
      self.heads = [
          StyleHead(self.head_channels, self.style_dim, self.dtype)
          for _ in levels]
    else:
      self.heads = [
          LatentHead(
              self.head_channels, self.style_dim, convs[level], self.dtype)
          for level in levels]

  def __call__(self, image, *, train: bool = False):
    return self.latents(self.features(image, train=train), train=train)

  def features(self, image, *, train: bool = False):
    """Maps (P4, P3, P2): 1/16, 1/8 and 1/4 of the image's size."""
    return self.fpn(image, train=train)

  def latents(self, features, *, train: bool = False):
    """Latents [N, num_ws, style_dim] from the maps (P4, P3, P2)."""
    levels = levels_of(self.latent_split, self.num_ws)
    latents = [head(features[level], train=train)
               for head, level in zip(self.heads, levels, strict=True)]
    return jnp.stack(latents, axis=1).astype(jnp.float32)


def levels_of(latent_split: tuple[int, int], num_ws: int) -> list[int]:
  """Which of the coarse, middle and fine map (0, 1, 2) each latent reads."""
  coarse, middle = latent_split
  return ([0] * coarse + [1] * middle + [2] * num_ws)[:num_ws]


class FeaturePyramid(nn.Module):
  """ResNet of bottlenecks and the pyramid above it: image -> (P4, P3, P2)."""
  stem_width: int
  blocks: tuple[int, int, int, int]
  channels: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image, *, train: bool):
    def conv(name, kernel):
      return torch_layers.Conv(self.channels, kernel, padding=kernel // 2,
                               dtype=self.dtype, name=name)

    x = torch_layers.Conv(
        self.stem_width, 7, stride=2, padding=3, use_bias=False,
        dtype=self.dtype, name="stem")(image)
    x = torch_layers.BatchNorm(dtype=self.dtype, name="stem_bn")(x, train=train)
    x = pooling.max_pool(jax.nn.relu(x), 3, 2, 1)
    stages = []
    for stage, blocks in enumerate(self.blocks):
      for block in range(blocks):
        x = resnet.Bottleneck(
            self.stem_width * 2 ** stage, 2 if stage and not block else 1,
            dtype=self.dtype, name=f"stage{stage}_{block}")(x, train=train)
      stages.append(x)
    c2, c3, c4, c5 = stages
    p5 = conv("top", 1)(c5)
    p4 = torch_layers.resize_like(p5, c4) + conv("lateral4", 1)(c4)
    p3 = torch_layers.resize_like(p4, c3) + conv("lateral3", 1)(c3)
    p2 = torch_layers.resize_like(p3, c2) + conv("lateral2", 1)(c2)
    return (conv("smooth4", 3)(p4), conv("smooth3", 3)(p3),
            conv("smooth2", 3)(p2))


class LatentHead(nn.Module):
  """Strided convolutions down to one cell, then an equalized linear layer."""
  channels: int
  style_dim: int
  num_convs: int | None = None
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x, *, train: bool):
    del train
    side = max(x.shape[1:3])
    num_convs = self.num_convs
    if num_convs is None:
      num_convs = max(1, math.ceil(math.log2(side)))
    if side > 2 ** num_convs:
      raise ValueError(
          f"a head of {num_convs} strided convolutions takes maps up to "
          f"{2 ** num_convs} px, got {x.shape}: use smaller images or more "
          "head_convs")
    for i in range(num_convs):
      x = torch_layers.Conv(self.channels, 3, stride=2, padding=1,
                            dtype=self.dtype, name=f"conv{i}")(x)
      x = jax.nn.leaky_relu(x, 0.01)
    # In float32: its bias holds the mean latent.
    return layers.EqualDense(self.style_dim, name="linear")(x[:, 0, 0])


class StyleHead(nn.Module):
  """3x3 convolution, batch norm, ReLU, spatial mean, linear layer."""
  channels: int
  style_dim: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x, *, train: bool):
    x = torch_layers.Conv(self.channels, 3, padding=1, use_bias=False,
                          dtype=self.dtype, name="conv")(x)
    x = torch_layers.BatchNorm(dtype=self.dtype, name="bn")(x, train=train)
    x = jax.nn.relu(x).mean((1, 2), keepdims=True)
    x = torch_layers.Conv(self.style_dim, 1, name="linear")(x)
    return x[:, 0, 0]

"""U-Nets for segmentation (Ronneberger et al. 2015).

With padded convolutions and batch norm, so that logits have the image's
size: the baseline that label-efficient methods are compared with, and the
network that RepurposeGAN trains on images it has labeled itself.
"""

import functools
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax.models import torch_layers
from semseg_jax.ops import hypercolumn
from semseg_jax.ops import pooling


class UNet(nn.Module):
  """Image [N, H, W, C] in [-1, 1] -> logits [N, H, W, num_classes] float32.

  Attributes:
    num_classes: output channels; 1 for binary tasks.
    width: channels at full resolution, doubled at each level down.
    levels: times the map is halved; 2**levels must divide H and W.
    dtype: compute dtype.
  """
  num_classes: int
  width: int = 64
  levels: int = 4
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image, *, train: bool = False):
    step = 2 ** self.levels
    if image.shape[1] % step or image.shape[2] % step:
      raise ValueError(
          f"{self.levels} levels need sides that {step} divides, got "
          f"{image.shape}: resize or pad the images")
    x, skips = image, []
    for level in range(self.levels):
      x = DoubleConv(self.width * 2 ** level, self.dtype,
                     name=f"down{level}")(x, train=train)
      skips.append(x)
      x = pooling.max_pool(x, 2, 2)
    x = DoubleConv(self.width * step, self.dtype,
                   name="bottom")(x, train=train)
    for level in reversed(range(self.levels)):
      skip = skips.pop()
      x = torch_layers.resize_like(x, skip)
      x = DoubleConv(self.width * 2 ** level, self.dtype, name=f"up{level}")(
          jnp.concatenate([skip, x], axis=-1), train=train)
    # Float32 logits: losses of many classes lose digits in bfloat16.
    return torch_layers.Conv(self.num_classes, 1, name="logits")(x)


class AutoShotUNet(nn.Module):
  """RepurposeGAN's auto-shot network: image [N, H, W, C] -> logits, float32.

  Narrower below than `UNet`, biases besides batch norm, corners aligned when
  maps grow, and any size: an odd map is padded with zeros to its skip's size.

  Attributes:
    num_classes: output channels.
    width: channels at full resolution; 2, 4, 8 and 8 times as many below.
    dtype: compute dtype.
  """
  num_classes: int
  width: int = 64
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image, *, train: bool = False):
    double = functools.partial(DoubleConv, dtype=self.dtype, use_bias=True)
    x, skips = image, []
    for level, factor in enumerate((1, 2, 4, 8)):
      x = double(self.width * factor, name=f"down{level}")(x, train=train)
      skips.append(x)
      x = pooling.max_pool(x, 2, 2)
    x = double(self.width * 8, name="bottom")(x, train=train)
    for level, factor in reversed(list(enumerate((1, 1, 2, 4)))):
      skip = skips.pop()
      size = (2 * x.shape[1], 2 * x.shape[2])
      x = _padded(hypercolumn.resize(x, size, "aligned"), skip.shape[1:3])
      x = jnp.concatenate([skip, x], axis=-1)
      x = double(self.width * factor, middle=x.shape[-1] // 2,
                 name=f"up{level}")(x, train=train)
    return torch_layers.Conv(self.num_classes, 1, name="logits")(x)


def _padded(x, size):
  """Zeros around x up to `size`, the smaller half at the top and left."""
  missing = [s - n for s, n in zip(size, x.shape[1:3], strict=True)]
  return jnp.pad(x, ((0, 0), *((m // 2, m - m // 2) for m in missing), (0, 0)))


class DoubleConv(nn.Module):
  """Twice: 3x3 convolution, batch norm, ReLU.

  `middle`: channels between the two; None: as many as after them.
  """
  features: int
  dtype: Any = jnp.float32
  use_bias: bool = False
  middle: int | None = None

  @nn.compact
  def __call__(self, x, *, train: bool):
    for i, width in enumerate((self.middle or self.features, self.features)):
      x = torch_layers.Conv(width, 3, padding=1, use_bias=self.use_bias,
                            dtype=self.dtype, name=f"conv{i}")(x)
      x = torch_layers.BatchNorm(
          dtype=self.dtype, name=f"bn{i}")(x, train=train)
      x = jax.nn.relu(x)
    return x

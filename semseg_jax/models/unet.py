"""U-Net for supervised segmentation (Ronneberger et al. 2015).

With padded convolutions and batch norm, so that logits have the picture's
size: the baseline that label-efficient methods are compared with.
"""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax.models import torch_layers
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
          f"{image.shape}: resize or pad the pictures")
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
      x = jax.image.resize(
          x, (*skip.shape[:3], x.shape[-1]), "linear", antialias=False)
      x = DoubleConv(self.width * 2 ** level, self.dtype, name=f"up{level}")(
          jnp.concatenate([skip, x], axis=-1), train=train)
    # Float32 logits: losses of many classes lose digits in bfloat16.
    return torch_layers.Conv(self.num_classes, 1, name="logits")(x)


class DoubleConv(nn.Module):
  """Twice: 3x3 convolution, batch norm, ReLU."""

  features: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x, *, train: bool):
    for i in (0, 1):
      x = torch_layers.Conv(self.features, 3, padding=1, use_bias=False,
                            dtype=self.dtype, name=f"conv{i}")(x)
      x = torch_layers.BatchNorm(
          dtype=self.dtype, name=f"bn{i}")(x, train=train)
      x = jax.nn.relu(x)
    return x

"""U-Net whose way down is a pretrained backbone."""

from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from semseg_jax.models import efficientnet_lite
from semseg_jax.models import torch_layers
from semseg_jax.models import unet


class BackboneUNet(nn.Module):
  """Image [N, H, W, 3 or 1] in [-1, 1] -> logits [N, H, W, num_classes].

  The skip connections are the maps of an EfficientNet-Lite, of half the image's
  size and less, and one of full size from two convolutions of the image. Sides
  need not be even. Logits are float32.
  """
  num_classes: int  # output channels; 1 for binary tasks
  variant: int = 0  # of the backbone, see `efficientnet_lite.EfficientNetLite`
  # Channels on the way up at full resolution, doubled at each level down to at
  # most 8 times as many.
  width: int = 32
  frozen_statistics: bool = False  # of the backbone's batch norm
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image, *, train: bool = False):
    x, maps = efficientnet_lite.EfficientNetLite(
        self.variant, dtype=self.dtype, name="backbone")(
            image, train=train and not self.frozen_statistics)
    full = unet.DoubleConv(self.width, self.dtype, name="down0")(
        image, train=train)
    skips = [full] + [maps[f"level{i}"] for i in range(1, 5)]
    for level in reversed(range(len(skips))):
      skip = skips[level]
      x = torch_layers.resize_like(x, skip)
      x = unet.DoubleConv(
          self.width * min(2 ** level, 8), self.dtype, name=f"up{level}")(
              jnp.concatenate([skip, x], axis=-1), train=train)
    return torch_layers.Conv(self.num_classes, 1, name="logits")(x)

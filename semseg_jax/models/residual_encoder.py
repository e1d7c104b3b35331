"""Images to W+ latents: the image discriminator's trunk and one linear layer.

SemanticGAN's second encoder (Li et al. 2021). The trunk holds a minibatch
standard deviation, so an image's latents depend on who shares its batch.
"""

from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from semseg_jax.models import discriminators
from semseg_jax.models import layers


class ResidualEncoder(nn.Module):
  """Image [N, S, S, C] in [-1, 1] -> latents [N, num_ws, style_dim] float32."""
  size: int  # S, a power of two >= 8
  num_ws: int  # latents of the generator, 2 * log2(S) - 2
  style_dim: int = 512  # length of a latent
  # image_channels, channel_multiplier, max_channels, channels: see
  # `discriminators.ImageDiscriminator`.
  image_channels: int = 3
  channel_multiplier: float = 2.0
  max_channels: int = 512
  channels: tuple | None = None
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image, *, train: bool = False):
    """N < 4 or a multiple of 4; training and inference do the same."""
    del train
    if image.shape[-1] != self.image_channels:
      raise ValueError(
          f"images must have {self.image_channels} channels, got {image.shape}")
    x, _ = discriminators.ImageTrunk(
        self.size, self.channel_multiplier, self.max_channels, self.channels,
        self.dtype, name="trunk")(image)
    latents = layers.EqualDense(
        self.num_ws * self.style_dim, name="latents")(x)
    return latents.reshape(-1, self.num_ws, self.style_dim)

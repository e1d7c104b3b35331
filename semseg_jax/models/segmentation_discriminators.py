"""Discriminators of label maps for semi-supervised segmentation.

One verdict per image (s4GAN: Mittal et al. 2019, "Semi-Supervised Semantic
Segmentation with High- and Low-Level Consistency") and one per pixel (Hung et
al. 2018, "Adversarial Learning for Semi-Supervised Semantic Segmentation").
"""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax.models import torch_layers
from semseg_jax.ops import resample


class ImageDiscriminator(nn.Module):
  """s4GAN's: is this image's segmentation drawn by hand?

  Four strided 4x4 convolutions, global mean, linear layer. The published
  network pools with a window that is the whole map at its crop sizes.
  """
  # Channels of the first convolution, doubled by each further one.
  width: int = 64
  # Rate at which whole channels are dropped in training after each of the first
  # three convolutions; uses the stream "dropout".
  dropout: float = 0.5
  dtype: Any = jnp.float32  # compute dtype; logits and features are float32

  @nn.compact
  def __call__(self, pair, *, train: bool = False):
    """Judges images with their class maps.

    Args:
      pair: [N, H, W, K + C] of at least 16 px: class probabilities or one-hot
        labels, then the image in [0, 1].
      train: drops channels.

    Returns (logits [N], positive where taken for a label; features [N, 8 *
    width], those that feature matching compares).
    """
    x = pair
    _check_size(x, 16)
    for i in range(4):
      x = _down(x, self.width * 2 ** i, f"conv{i + 1}", self.dtype)
      if i < 3:
        x = nn.Dropout(self.dropout, broadcast_dims=(1, 2))(
            x, deterministic=not train)
    features = x.astype(jnp.float32).mean((1, 2))
    return torch_layers.Dense(1, name="fc")(features)[:, 0], features


class PixelDiscriminator(nn.Module):
  """Hung et al.'s fully convolutional one: a verdict for every pixel."""
  # Channels of the first convolution, doubled by each further one.
  width: int = 64
  dtype: Any = jnp.float32  # compute dtype; logits are float32

  @nn.compact
  def __call__(self, label):
    """Judges class maps.

    Args:
      label: [N, H, W, K] of at least 32 px, probabilities or one-hot.

    Returns logits [N, H, W], positive where taken for a label; of 1/32 of the
    resolution, resized bilinearly.
    """
    x = label
    _check_size(x, 32)
    for i in range(4):
      x = _down(x, self.width * 2 ** i, f"conv{i + 1}", self.dtype)
    x = torch_layers.Conv(1, 4, stride=2, padding=1, name="classifier")(x)
    return resample.resize_aligned(x, label.shape[1:3])[..., 0]


def _down(x, features, name, dtype):
  x = torch_layers.Conv(
      features, 4, stride=2, padding=1, dtype=dtype, name=name)(x)
  return jax.nn.leaky_relu(x, 0.2)


def _check_size(x, least):
  if min(x.shape[1:3]) < least:
    raise ValueError(
        f"this discriminator needs maps of at least {least} px, got {x.shape}")

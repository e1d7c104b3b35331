"""Projected discriminator: small heads on mixed features of a frozen network.

Sauer et al., "Projected GANs Converge Faster", NeurIPS 2021, section 3. The
maps of a network that is never trained are mixed across channels and across
scales by fixed random convolutions; one head a scale scores the result.
"""

import math
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax.models import discriminators
from semseg_jax.models import spectral_conv
from semseg_jax.ops import conv

# Root mean squares of EfficientNet-Lite's maps at strides 4, 8, 16 and 32, of
# which images change little: on road scenes, leaves, X-rays and cells those of
# Lite0 to Lite2 are within a third of these.
EFFICIENTNET_RMS = (8.5, 7.5, 6.3, 2.7)
_SMALLEST = 4  # Rows of a map that heads reduce no further.


class Projection(nn.Module):
  """Fixed random mixing of a network's maps (section 3.2).

  Kernels are normal with variance 1 / fan-in, so that maps of unit mean square
  stay so. They follow from `seed` alone, whatever key `init` gets, and stand in
  the collection "projection".
  """
  # Channels of the mixed maps, fine to coarse.
  widths: tuple[int, ...] = (48, 48, 64, 64)
  # Root mean squares of the given maps, divided out.
  rms: tuple[float, ...] = EFFICIENTNET_RMS
  seed: int = 0  # of the kernels
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, maps):
    """Mixes maps.

    Args:
      maps: list of [N, h, w, c], fine to coarse.

    Returns list of [N, h, w, width] in the same order; each adds what the
    coarser ones hold, with equal weight.

    Raises ValueError: not as many maps as widths and rms.
    """
    if not len(maps) == len(self.widths) == len(self.rms):
      raise ValueError(f"{len(maps)} maps do not fit the widths {self.widths} "
                       f"and the rms {self.rms}")
    keys = iter(jax.random.split(
        jax.random.key(self.seed), 2 * len(maps) - 1))

    def mix(name, size, x, width):
      shape = (size, size, x.shape[-1], width)
      key, scale = next(keys), 1 / math.sqrt(math.prod(shape[:3]))
      kernel = self.variable(
          "projection", name, lambda: scale * jax.random.normal(key, shape))
      return conv.conv2d(
          x, kernel.value.astype(self.dtype), padding=size // 2)

    own = [mix(f"channels{i}", 1, x.astype(self.dtype) / rms, width)
           for i, (x, rms, width) in enumerate(
               zip(maps, self.rms, self.widths, strict=True))]
    mixed = own[-1:]
    for i in reversed(range(len(maps) - 1)):
      # Before the enlargement, where it costs a quarter.
      coarse = mix(f"scales{i}", 3, mixed[0], self.widths[i])
      coarse = resize(coarse, own[i].shape[1:3])
      mixed.insert(0, (own[i] + coarse) * math.sqrt(0.5))
    return mixed


class Head(nn.Module):
  """Scores one scale: map -> list of layer outputs, the last the score map."""
  width: int = 64
  num_layers: int = 2
  minibatch_stddev: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x, update_stats):
    maps = []
    for i in range(self.num_layers):
      stride = 2 if min(x.shape[1:3]) > _SMALLEST else 1
      x = spectral_conv.SpectralConv(
          self.width, stride, kernel_size=3, use_bias=True,
          kernel_init=nn.initializers.he_normal(), dtype=self.dtype,
          name=f"conv{i}")(x, update_stats)
      x = jax.nn.leaky_relu(x, 0.2)
      maps.append(x)
    if self.minibatch_stddev:
      x = jnp.concatenate([x, discriminators.minibatch_stddev(x)], -1)
    score = spectral_conv.SpectralConv(
        1, kernel_size=1, kernel_init=nn.initializers.lecun_normal(),
        dtype=self.dtype, name="score")(x, update_stats)
    return [*maps, score]


class ProjectedDiscriminator(nn.Module):
  """Heads on mixed maps of images, or of images joined with label maps.

  Variables: "params" and "spectral" (see `SpectralConv`).
  """
  width: int = 64  # channels of the heads' hidden layers
  # Hidden layers of a head, strided while the map is above 4 px.
  num_layers: int = 2
  # Appends to each last hidden map how much images of a group of 4 differ
  # (Karras et al. 2018), against collapse.
  minibatch_stddev: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, maps, label=None, *, update_stats: bool):
    """Scores images by their mixed maps.

    Args:
      maps: list of [N, h, w, c] from `Projection`.
      label: None, or label maps or logits [N, H, W, K], averaged down to each
        scale's size and joined to its map.
      update_stats: takes a step of the power iteration before use; needs
        `mutable=["spectral"]`.

    Returns list over scales (fine to coarse) of the list of layer outputs; the
    last one is the score map [N, h, w, 1].
    """
    scales = []
    for i, x in enumerate(maps):
      if label is not None:
        at_scale = resize(label.astype(self.dtype), x.shape[1:3])
        x = jnp.concatenate([x, at_scale], -1)
      scales.append(Head(
          self.width, self.num_layers, self.minibatch_stddev, self.dtype,
          name=f"scale{i}")(x, update_stats))
    return scales


def resize(x, size):
  """Bilinear, antialiased where it shrinks: [N, H, W, C] -> [N, *size, C]."""
  if x.shape[1:3] == tuple(size):
    return x
  return jax.image.resize(x, (x.shape[0], *size, x.shape[3]), "bilinear")

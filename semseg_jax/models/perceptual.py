"""LPIPS: learned perceptual distance between images (Zhang et al. 2018).

Linear calibration ("net-lin"), version 0.1, on VGG-16 or AlexNet.
"""

from typing import Any

from flax import linen as nn
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from semseg_jax.models import torch_layers
from semseg_jax.ops import pooling

# Statistics that the v0.1 networks take images in [-1, 1] to be scaled with.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)

# net -> stages of (channels, kernel, stride, padding); a max pool (window,
# stride) stands before every stage that has one. A tap follows each stage.
_PLANS = {
    "vgg": (
        (None, ((64, 3, 1, 1),) * 2),
        ((2, 2), ((128, 3, 1, 1),) * 2),
        ((2, 2), ((256, 3, 1, 1),) * 3),
        ((2, 2), ((512, 3, 1, 1),) * 3),
        ((2, 2), ((512, 3, 1, 1),) * 3)),
    "alex": (
        (None, ((64, 11, 4, 2),)),
        ((3, 2), ((192, 5, 1, 2),)),
        ((3, 2), ((384, 3, 1, 1),)),
        (None, ((256, 3, 1, 1),)),
        (None, ((256, 3, 1, 1),))),
}


class LPIPS(nn.Module):
  """Distance of two batches of images [N, H, W, 3 or 1] in [-1, 1] -> [N]."""
  net: str = "vgg"  # "vgg" or "alex"
  # Channels of every convolution; () for the published network's.
  widths: tuple[int, ...] = ()
  # Compute dtype of the convolutions; distances are float32.
  dtype: Any = jnp.float32

  def setup(self):
    if self.net not in _PLANS:
      raise ValueError(f"LPIPS net {self.net!r}: choose one of {list(_PLANS)}")
    stages = [convs for _, convs in _PLANS[self.net]]
    widths = iter(self.widths or [c[0] for convs in stages for c in convs])
    self.conv = [
        torch_layers.Conv(next(widths), kernel, stride=stride, padding=padding,
                          dtype=self.dtype)
        for convs in stages for _, kernel, stride, padding in convs]
    ends = np.cumsum([len(convs) for convs in stages]) - 1
    tapped = [self.conv[end].features for end in ends]
    self.lin = [
        self.param(f"lin_{i}", nn.initializers.constant(1 / width), (width,))
        for i, width in enumerate(tapped)]

  def __call__(self, a, b):
    return self.distance(self.features(a), self.features(b))

  def taps(self, image) -> tuple:
    """The network's five maps after ReLU, [N, h, w, c] each."""
    x = jnp.broadcast_to(image, (*image.shape[:-1], 3)).astype(jnp.float32)
    x = ((x - jnp.array(SHIFT)) / jnp.array(SCALE)).astype(self.dtype)
    taps, convs = [], iter(self.conv)
    for pool, stage in _PLANS[self.net]:
      if pool:
        x = pooling.max_pool(x, *pool)
      for _ in stage:
        x = jax.nn.relu(next(convs)(x))
      taps.append(x)
    return tuple(taps)

  def features(self, image) -> tuple:
    """Taps of unit length over channels: what `distance` compares.

    Compute them once for an image that many others are compared with.
    """
    return tuple(_unit_length(t.astype(jnp.float32)) for t in self.taps(image))

  def distance(self, features_a, features_b):
    """Distances [N] of two results of `features`."""
    return self.layer_distances(features_a, features_b).sum(-1)

  def layer_distances(self, features_a, features_b):
    """Each tap's contribution to the distance, [N, 5]."""
    parts = [
        (jnp.square(a - b) @ lin).mean((1, 2))
        for a, b, lin in zip(features_a, features_b, self.lin, strict=True)]
    return jnp.stack(parts, axis=-1)


def _unit_length(x):
  # A cell whose channels are all 0 stays 0, with a gradient of 0: the root's
  # own gradient would be infinite there.
  squared = jnp.square(x).sum(-1, keepdims=True)
  safe = jnp.where(squared > 0, squared, 1.0)
  norm = jnp.where(squared > 0, lax.sqrt(safe), 0.0)
  return x / (norm + 1e-10)

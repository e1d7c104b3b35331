"""Semantic FPN: a feature pyramid whose levels are summed at stride 4.

Kirillov et al. 2019, "Panoptic Feature Pyramid Networks", section 3 and figure
3, on an EfficientNet-Lite backbone.
"""

import math
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax.models import efficientnet_lite
from semseg_jax.models import torch_layers

_he_fan_in = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


class SemanticFPN(nn.Module):
  """Image [N, H, W, 3 or 1] in [-1, 1] -> (logits, maps by name).

  Logits [N, h, w, num_classes], float32, at stride 4; resize them with
  `ops.resample.resize_aligned`. Maps by name: the backbone's and "sum", of
  which the logits are a linear function.
  """
  num_classes: int
  variant: int = 0  # of the backbone, see `efficientnet_lite.EfficientNetLite`
  features: int = 256  # channels of the pyramid
  branch_features: int = 128  # channels of what is summed
  frozen_statistics: bool = False  # of the backbone's batch norm
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image, *, train: bool = False):
    _, maps = efficientnet_lite.EfficientNetLite(
        self.variant, dtype=self.dtype, name="backbone")(
            image, train=train and not self.frozen_statistics)
    total = x = None
    for level in (5, 4, 3, 2):
      lateral = self._conv(f"lateral{level}", self.features, 1)(
          maps[f"level{level}"])
      x = lateral if x is None else (
          lateral + torch_layers.resize_like(x, lateral))
      branch = self._conv(f"smooth{level}", self.features, 3)(x)
      # A 3x3 convolution for each doubling of the size, at least one.
      for size in range(level - 1, 1, -1) or (2,):
        name = f"branch{level}_{size}"
        branch = self._conv(name, self.branch_features, 3, _he_fan_in)(branch)
        branch = jax.nn.relu(nn.GroupNorm(
            math.gcd(32, self.branch_features), dtype=self.dtype,
            name=f"{name}_gn")(branch))
        branch = torch_layers.resize_like(branch, maps[f"level{size}"])
      total = branch if total is None else total + branch
    logits = torch_layers.Conv(self.num_classes, 1, name="logits")(total)
    return logits, {**maps, "sum": total}

  def _conv(self, name, features, kernel, kernel_init=None):
    return torch_layers.Conv(
        features, kernel, padding=kernel // 2, kernel_init=kernel_init,
        dtype=self.dtype, name=name)

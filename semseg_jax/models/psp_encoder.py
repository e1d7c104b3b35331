"""Label maps to W+ latents: GradualStyleEncoder on an IR-SE-50 backbone.

The encoder of pSp (Richardson et al., CVPR 2021, section 3) as Fewshot-SMIS
uses it: the input has a channel per class, and the latents are offsets from the
mean latent, which the collection "mean" adds where it is given.
"""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax.models import fpn_encoder
from semseg_jax.models import torch_layers
from semseg_jax.ops import resample


class GradualStyleEncoder(nn.Module):
  """Maps [N, H, W, C] -> latents [N, num_ws, style_dim] float32.

  Variables: "params", "batch_stats", and optionally "mean": {"latents"} [D] or
  [num_ws, D].
  """
  num_ws: int  # latents of the generator, 2 * log2(size) - 2
  style_dim: int = 512  # length of a latent
  # How many latents read the coarse (1/16) and the middle (1/8) map; the others
  # read the fine one (1/4).
  latent_split: tuple[int, int] = (3, 4)
  # Channels of the four groups of units; the first is the stem's too.
  widths: tuple[int, int, int, int] = (64, 128, 256, 512)
  units: tuple[int, int, int, int] = (3, 4, 14, 3)  # units per group
  # Strided convolutions of a head on the coarse, middle and fine map; None: as
  # many as take the map to one cell (4, 5, 6 at 256 px).
  head_convs: tuple[int, int, int] | None = None
  dtype: Any = jnp.float32

  def setup(self):
    self.stem = torch_layers.Conv(
        self.widths[0], 3, padding=1, use_bias=False, dtype=self.dtype)
    self.stem_bn = torch_layers.BatchNorm(dtype=self.dtype)
    self.stem_prelu = PReLU()
    self.body = [
        Unit(width, 1 if i else 2, self.dtype)
        for width, count in zip(self.widths, self.units, strict=True)
        for i in range(count)]
    lateral = lambda: torch_layers.Conv(self.widths[-1], 1, dtype=self.dtype)
    self.lateral_middle, self.lateral_fine = lateral(), lateral()
    convs = self.head_convs or (None, None, None)
    self.heads = [
        fpn_encoder.LatentHead(
            self.widths[-1], self.style_dim, convs[level], self.dtype)
        for level in fpn_encoder.levels_of(self.latent_split, self.num_ws)]

  def __call__(self, x, *, train: bool = False):
    latents = self.latents(self.features(x, train=train)["pyramid"])
    if self.has_variable("mean", "latents"):
      latents = latents + self.get_variable("mean", "latents")
    return latents

  def features(self, x, *, train: bool = False) -> dict[str, Any]:
    """Maps by name: "stem", "unit0", ..., "lateral_middle", "lateral_fine".

    "pyramid" is the (coarse, middle, fine) maps that `latents` takes.
    """
    side = x.shape[1]
    if x.ndim != 4 or side != x.shape[2] or side % 16:
      raise ValueError(
          f"the encoder takes [N, S, S, C] with S a multiple of 16, got "
          f"{x.shape}")
    maps = {}
    x = self.stem_bn(self.stem(x.astype(self.dtype)), train=train)
    x = maps["stem"] = self.stem_prelu(x)
    for i, unit in enumerate(self.body):
      x = maps[f"unit{i}"] = unit(x, train=train)
    _, fine, middle, coarse = (
        maps[f"unit{sum(self.units[:g + 1]) - 1}"] for g in range(4))
    maps["lateral_middle"] = self.lateral_middle(middle)
    maps["lateral_fine"] = self.lateral_fine(fine)
    middle = _add_resized(coarse, maps["lateral_middle"])
    fine = _add_resized(middle, maps["lateral_fine"])
    maps["pyramid"] = (coarse, middle, fine)
    return maps

  def latents(self, pyramid):
    """Offsets [N, num_ws, style_dim] from the (coarse, middle, fine) maps.
    """
    levels = fpn_encoder.levels_of(self.latent_split, self.num_ws)
    latents = [head(pyramid[level], train=False)
               for head, level in zip(self.heads, levels, strict=True)]
    return jnp.stack(latents, axis=1).astype(jnp.float32)


class Unit(nn.Module):
  """Residual unit of IR-SE: BN, 3x3, PReLU, 3x3 with the stride, BN, SE.

  There is no activation after the sum. Where the width stays, the shortcut
  picks every stride-th pixel; else it is a 1x1 convolution with BN.
  """
  width: int
  stride: int = 1
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x, *, train: bool):
    def conv(name, kernel, stride=1):
      return torch_layers.Conv(
          self.width, kernel, stride=stride, padding=kernel // 2,
          use_bias=False, dtype=self.dtype, name=name)

    norm = lambda name: torch_layers.BatchNorm(dtype=self.dtype, name=name)
    y = conv("conv1", 3)(norm("bn1")(x, train=train))
    y = conv("conv2", 3, self.stride)(PReLU(name="prelu")(y))
    y = SqueezeExcitation(dtype=self.dtype, name="se")(
        norm("bn2")(y, train=train))
    if x.shape[-1] == self.width:
      x = x[:, ::self.stride, ::self.stride]
    else:
      x = norm("shortcut_bn")(
          conv("shortcut", 1, self.stride)(x), train=train)
    return x + y


class SqueezeExcitation(nn.Module):
  """Scales channels by a gate of their means (Hu et al., CVPR 2018)."""
  reduction: int = 16
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x):
    width = x.shape[-1]
    dense = lambda features, name: nn.Dense(
        features, use_bias=False, dtype=self.dtype, name=name,
        kernel_init=nn.initializers.variance_scaling(
            1 / 3, "fan_in", "uniform"))
    gate = jax.nn.relu(dense(max(1, width // self.reduction), "down")(
        x.mean((1, 2))))
    gate = jax.nn.sigmoid(dense(width, "up")(gate))
    return x * gate[:, None, None]


class PReLU(nn.Module):
  """Leaky ReLU with a learned slope per channel."""

  @nn.compact
  def __call__(self, x):
    slope = self.param("slope", nn.initializers.constant(0.25), x.shape[-1:])
    return jnp.where(x >= 0, x, slope.astype(x.dtype) * x)


def _add_resized(x, target):
  """`x` resized like `target`, bilinearly, corners aligned, and added to it."""
  return resample.resize_aligned(x, target.shape[1:3]) + target

"""What a projected discriminator sees: mixed maps of a pretrained network."""

from typing import Any
from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax.interop import pretrained
from semseg_jax.models import efficientnet_lite
from semseg_jax.models import projected_discriminator

_LEVELS = ("level2", "level3", "level4", "level5")  # strides 4, 8, 16, 32
_LARGEST_STRIDE = 32


class ProjectedFeatures(NamedTuple):
  """Mixed maps of images, by variables that no training changes."""
  kind: str  # of the network, one of `pretrained.kinds()`
  network: nn.Module  # image -> (last map, maps by name)
  projection: projected_discriminator.Projection  # what mixes the maps
  size: int  # images are resized to it
  # Whether the image itself, as it is, is the finest map (ours): strides of 4
  # and more miss what is a few pixels wide.
  pixels: bool = False

  def __call__(self, frozen, image):
    """image [N, H, W, 3 or 1] in [-1, 1] -> list of [N, h, w, c]."""
    resized = projected_discriminator.resize(image, (self.size, self.size))
    maps = self.projection.apply(
        frozen["projection"], self._maps(frozen["network"], resized))
    return [image, *maps] if self.pixels else maps

  def load(self, files=None) -> dict[str, Any]:
    """The variables.

    Args:
      files: the config's block `pretrained`; None: shapes in their place.

    Raises FileNotFoundError, ValueError: see `pretrained.variables`.
    """
    network = pretrained.backbone(self.kind, files)
    image = jax.ShapeDtypeStruct((1, self.size, self.size, 3), jnp.float32)
    maps = jax.eval_shape(self._maps, network, image)
    init = lambda: self.projection.init(
        jax.random.key(0), [jnp.zeros(x.shape, x.dtype) for x in maps])
    return {"network": network, "projection": (
        jax.eval_shape(init) if files is None else jax.jit(init)())}

  def zeros(self, image) -> list[jax.Array]:
    """Maps of images of a shape, all zero: for initialization."""
    image = jax.ShapeDtypeStruct(image.shape, jnp.float32)
    shapes = jax.eval_shape(self.__call__, self.load(), image)
    return [jnp.zeros(x.shape, x.dtype) for x in shapes]

  def _maps(self, variables, image):
    _, maps = self.network.apply(variables, image)
    return [maps[name] for name in _LEVELS]


def make(config) -> ProjectedFeatures:
  """The features that `config.image_discriminator` describes.

  Raises ValueError: a field is out of range.
  """
  c = config.image_discriminator
  if c.backbone not in pretrained.kinds():
    raise ValueError(f"config.image_discriminator.backbone is {c.backbone!r}; "
                     f"use one of {pretrained.kinds()}")
  if c.feature_size < _LARGEST_STRIDE or c.feature_size % _LARGEST_STRIDE:
    raise ValueError(
        f"config.image_discriminator.feature_size is {c.feature_size}; use a "
        f"multiple of {_LARGEST_STRIDE}")
  if len(c.projection_widths) != len(_LEVELS):
    raise ValueError(
        f"config.image_discriminator.projection_widths is "
        f"{tuple(c.projection_widths)}; give {len(_LEVELS)} numbers, fine to "
        "coarse")
  dtype = jnp.dtype(config.dtype)
  return ProjectedFeatures(
      c.backbone, efficientnet_lite.EfficientNetLite(
          efficientnet_lite.NAMES[c.backbone], dtype=dtype),
      projected_discriminator.Projection(
          widths=tuple(c.projection_widths), seed=c.projection_seed,
          dtype=dtype),
      c.feature_size, c.pixels)

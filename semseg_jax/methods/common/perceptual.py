"""The perceptual distance of a config: LPIPS-VGG, or features of the run's Dr.

`config.perceptual.weights` names a converted LPIPS file. Without one the
distance is taken in the features of the run's own trained Dr, in LPIPS's form:
each block's map is divided by its length over channels, squared differences
are summed over channels and averaged over positions and blocks.
"""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from semseg_jax import interop
from semseg_jax.methods.common import generator
from semseg_jax.methods.common import networks
from semseg_jax.models import perceptual


class Perceptual(NamedTuple):
  """A distance of images in [-1, 1].

  Attributes:
    name: "lpips_vgg" or "dr_features", as records state it.
    load: () -> frozen variables.
    features: (variables, image [N, H, W, C]) -> pytree, to be computed once.
    distance: (variables, features, features) -> [N] float32.
  """
  name: str
  load: Callable[[], Any]
  features: Callable[[Any, Any], Any]
  distance: Callable[[Any, Any, Any], Any]


def make(config, workdir, needed_by: str) -> Perceptual:
  """The distance that `config.perceptual.weights` chooses.

  Where `workdir` is None nothing is read, see `methods.common.trained`.
  """
  if config.perceptual.weights and workdir is None:
    module = perceptual.LPIPS()
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    return from_module(module, lambda: jax.eval_shape(
        module.init, jax.random.key(0), image, image))
  if config.perceptual.weights:
    return lpips(config.perceptual.weights)
  return discriminator_features(config, workdir, needed_by)


def lpips(path: str) -> Perceptual:
  """LPIPS with the converted weights in the safetensors file `path`."""
  module, variables = interop.load(path)
  return from_module(module, lambda: variables)


def from_module(module, load, name: str = "lpips_vgg") -> Perceptual:
  """The distance of a `models.perceptual.LPIPS` module."""
  return Perceptual(
      name, load,
      lambda v, x: module.apply(v, x, method="features"),
      lambda v, a, b: module.apply(v, a, b, method="distance"))


def discriminator_features(config, workdir, needed_by) -> Perceptual:
  """The distance in Dr's block features."""
  module = networks.image_discriminator(config)

  def features(variables, image):
    count = len(image)
    # Dr takes groups of 4 for its "stddev", which is not used here.
    if count > 4:
      image = jnp.pad(image, ((0, -count % 4), (0, 0), (0, 0), (0, 0)))
    _, maps = module.apply(variables, image)
    # Not "stddev" and "final": they depend on the other images of a batch.
    return tuple(_unit(v[:count].astype(jnp.float32)) for k, v in maps.items()
                 if k == "from_image" or k.startswith("block"))

  def distance(variables, a, b):
    del variables
    return sum(jnp.square(x - y).sum(-1).mean((1, 2))
               for x, y in zip(a, b, strict=True)) / len(a)

  return Perceptual(
      "dr_features",
      lambda: generator.load_image_discriminator(config, workdir, needed_by),
      features, distance)


def _unit(x):
  # eps inside the root: the length's gradient at an all-zero pixel is finite.
  return x / jnp.sqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-8)

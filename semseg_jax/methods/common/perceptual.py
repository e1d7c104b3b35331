"""The perceptual distance that a config chooses (`config.perceptual.kind`).

* "lpips_vgg": LPIPS with the converted file `config.perceptual.weights`.
* "efficientnet": features of a pretrained EfficientNet-Lite.
* "discriminator": features of the run's own trained Dr.

The last two have LPIPS's form without its calibration: each map is divided by
its length over channels, squared differences are summed over channels and
averaged over positions and maps.
"""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from semseg_jax import interop
from semseg_jax.interop import pretrained
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import networks
from semseg_jax.models import efficientnet_lite
from semseg_jax.models import perceptual


class Perceptual(NamedTuple):
  """A distance of images in [-1, 1]."""
  # "lpips_vgg", "dr_features", the EfficientNet's name or "none", as records
  # state it.
  name: str
  load: Callable[[], Any]  # () -> frozen variables
  # (variables, image [N, H, W, C]) -> pytree, to be computed once.
  features: Callable[[Any, Any], Any]
  # (variables, features, features) -> [N] float32.
  distance: Callable[[Any, Any, Any], Any]


def kind(config) -> str:
  """"lpips_vgg", "efficientnet" or "discriminator", also where none is named.
  """
  c = config.perceptual
  return c.kind or ("lpips_vgg" if c.weights else "discriminator")


def make(config, workdir, needed_by: str) -> Perceptual:
  """The distance that `config.perceptual` describes.

  Where `workdir` is None nothing is read, see `methods.common.trained`.

  Raises ValueError: unknown kind or network, or LPIPS without its file.
  """
  c = config.perceptual
  chosen = kind(config)
  if chosen == "discriminator":
    return discriminator_features(config, workdir, needed_by)
  if chosen == "efficientnet":
    return efficientnet(config, workdir)
  if chosen != "lpips_vgg":
    raise ValueError(
        f"config.perceptual.kind is {c.kind!r}; choose 'lpips_vgg', "
        "'efficientnet', 'discriminator' or ''")
  if not c.weights:
    raise ValueError(
        "config.perceptual.kind is 'lpips_vgg': name its converted file in "
        "config.perceptual.weights")
  if workdir is None:
    module = perceptual.LPIPS()
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    return from_module(module, lambda: jax.eval_shape(
        module.init, jax.random.key(0), image, image))
  module, variables = interop.load(c.weights)
  # On the device once: NumPy arrays would be sent there at every call.
  return from_module(module, lambda: jax.tree.map(jnp.asarray, variables))


def none() -> Perceptual:
  """No distance: zeros, nothing to load."""
  return Perceptual(
      "none", dict, lambda variables, image: image,
      lambda variables, a, b: jnp.zeros(len(a), jnp.float32))


def from_module(module, load) -> Perceptual:
  """The distance of a `models.perceptual.LPIPS` module."""
  return Perceptual(
      f"lpips_{module.net}", load,
      lambda v, x: module.apply(v, x, method="features"),
      lambda v, a, b: module.apply(v, a, b, method="distance"))


def efficientnet(config, workdir) -> Perceptual:
  """The distance in the maps of an EfficientNet-Lite, at strides 2 to 32."""
  c = config.perceptual
  if c.backbone not in pretrained.kinds():
    raise ValueError(f"config.perceptual.backbone is {c.backbone!r}; choose "
                     f"one of {pretrained.kinds()}")
  module = efficientnet_lite.EfficientNetLite(
      efficientnet_lite.NAMES[c.backbone], dtype=jnp.dtype(config.dtype))

  def load():
    if workdir is None:
      return pretrained.backbone(c.backbone, None)
    return jax.tree.map(
        jnp.asarray, pretrained.backbone(c.backbone, config.pretrained))

  def features(variables, image):
    if c.feature_size:
      image = jax.image.resize(
          image, (len(image), c.feature_size, c.feature_size, image.shape[-1]),
          "linear")
    _, maps = module.apply(variables, image)
    return tuple(_unit(x.astype(jnp.float32)) for x in maps.values())

  return Perceptual(c.backbone, load, features, _mean_squared)


def discriminator_features(config, workdir, needed_by) -> Perceptual:
  """The distance in Dr's block features.

  Raises:
    ValueError: Dr is a projected discriminator, which has no such features.
  """
  if config.image_discriminator.kind == "projected":
    raise ValueError(
        "config.perceptual asks for features of the run's own discriminator, "
        "but a projected one (config.image_discriminator.kind) has none: set "
        "config.perceptual.kind to 'efficientnet'")
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

  return Perceptual(
      "dr_features",
      lambda: generators.load_image_discriminator(config, workdir, needed_by),
      features, _mean_squared)


def _mean_squared(variables, a, b):
  """Squared differences over channels, averaged over positions and maps."""
  del variables
  return sum(jnp.square(x - y).sum(-1).mean((1, 2))
             for x, y in zip(a, b, strict=True)) / len(a)


def _unit(x):
  # eps inside the root: the length's gradient at an all-zero pixel is finite.
  return x / jnp.sqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-8)

"""The joint GAN's networks and how to call them, whatever their kind.

Both discriminators may look at pixels or, projected (Sauer et al., NeurIPS
2021), at the maps of a pretrained network, which no training changes.
"""

from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from semseg_jax.methods.common import networks
from semseg_jax.methods.common import projected_features
from semseg_jax.models import discriminators
from semseg_jax.models import projected_discriminator
from semseg_jax.models import stylegan2

_PROJECTED = projected_discriminator.ProjectedDiscriminator


class Modules(NamedTuple):
  """Networks of the joint GAN."""
  generator: stylegan2.Generator  # G
  image_discriminator: discriminators.ImageDiscriminator | _PROJECTED  # Dr
  # Dm; unused without labels.
  patch_discriminator: discriminators.PatchDiscriminator | _PROJECTED
  # What projected discriminators see of an image, else None.
  features: projected_features.ProjectedFeatures | None = None
  encoder: Any = None  # E; None: G makes samples alone

  @property
  def labeled(self) -> bool:
    """Whether there are labels, hence Dm."""
    return self.generator.label_channels > 0

  @property
  def projected(self) -> bool:
    """Whether Dr is a projected discriminator."""
    return isinstance(self.image_discriminator, _PROJECTED)

  @property
  def pair_projected(self) -> bool:
    """Whether Dm is a projected discriminator."""
    return isinstance(self.patch_discriminator, _PROJECTED)


def make(config) -> Modules:
  """The networks that `config` describes.

  Raises ValueError: a field is out of range.
  """
  modules = Modules(
      networks.generator(config), networks.image_discriminator(config),
      networks.patch_discriminator(config))
  if modules.projected or (modules.labeled and modules.pair_projected):
    modules = modules._replace(features=projected_features.make(config))
  if config.gan.reconstruction.perceptual_weight:
    modules = modules._replace(encoder=networks.encoder(config))
  return modules


def load_frozen(modules, files):
  """What the discriminators read and no training changes.

  Args:
    files: the config's block `pretrained`; None: shapes in their place.
  """
  if modules.features is None:
    return {}
  return {"features": modules.features.load(files)}


def score_image(modules, frozen, variables, image, *, train: bool = True):
  """Dr's scores.

  Args:
    frozen: from `load_frozen`.
    variables: of Dr.
    image: [N, H, W, C] in [-1, 1].
    train: advances the vectors of spectral norms.

  Returns:
    (list over scales of scores, one array [N] from StyleGAN2's Dr; variables).
  """
  if not modules.projected:
    return [modules.image_discriminator.apply(variables, image)[0]], variables
  maps, changed = modules.image_discriminator.apply(
      variables, modules.features(frozen["features"], image),
      update_stats=train, mutable=["spectral"])
  return score_maps(maps), {**variables, **changed}


def pair_maps(modules, frozen, variables, image, label, *, train: bool = True):
  """Dm's layer outputs by scale, and its variables; see `score_image`.

  Args:
    label: [N, H, W, K], maps in {-1, 1} or logits.
    others: see `score_image`.
  """
  seen = (jnp.concatenate([image, label], -1),)
  if modules.pair_projected:
    seen = (modules.features(frozen["features"], image), label)
  maps, changed = modules.patch_discriminator.apply(
      variables, *seen, update_stats=train, mutable=["spectral"])
  return maps, {**variables, **changed}


def init_image_discriminator(modules, key) -> dict:
  """Dr's first variables."""
  if not modules.projected:
    return dict(modules.image_discriminator.init(key, _image(modules)))
  return dict(modules.image_discriminator.init(
      key, modules.features.zeros(_image(modules)), update_stats=False))


def init_pair_discriminator(modules, key) -> dict:
  """Dm's first variables; {} without labels."""
  if not modules.labeled:
    return {}
  image = _image(modules)
  label = jnp.zeros((*image.shape[:3], modules.generator.label_channels))
  seen = (jnp.concatenate([image, label], -1),)
  if modules.pair_projected:
    seen = (modules.features.zeros(image), label)
  return dict(modules.patch_discriminator.init(
      key, *seen, update_stats=False))


def init_encoder(modules, key) -> dict:
  """E's first variables; {} without reconstructions."""
  if not modules.encoder:
    return {}
  return dict(modules.encoder.init(key, _image(modules), train=False))


def score_maps(maps) -> list[jax.Array]:
  """The score map of each scale, of the layers' outputs by scale."""
  return [scale[-1] for scale in maps]


def mean_score(scores) -> jax.Array:
  """Mean over scales of the mean of each scale's scores."""
  return sum(x.mean(dtype=jnp.float32) for x in scores) / len(scores)


def _image(modules):
  generator = modules.generator
  return jnp.zeros(
      (1, generator.size, generator.size, generator.image_channels))

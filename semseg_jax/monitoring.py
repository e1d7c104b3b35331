"""Watches the joint GAN train: how far samples are from real pictures.

With a converted Inception file: FID, KID and Inception Score. Without one a
Frechet distance between our own features, those of a fixed, untrained
discriminator ("random_feature_frechet"): good for following one run, not
comparable with FID. Also both discriminators' scores on validation pairs.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax import interop
from semseg_jax.data import pipeline
from semseg_jax.evaluation import distances
from semseg_jax.methods.common import data
from semseg_jax.methods.common import networks
from semseg_jax.models import discriminators
from semseg_jax.models import stylegan2
from semseg_jax.ops import images
from semseg_jax.ops import segmentation_losses

BATCH = 32
_WIDTH = 32  # of the untrained network


def make(config):
  """validate(state, frozen) of the `gan` stage: {"monitor/...": float}."""
  network = feature_network(config)
  real = functools.cache(lambda: real_features(config, network))
  scores = _scores(config)

  def validate(state, frozen):
    del frozen
    fake = [network(images.from_uint8(x)) for x, _ in sample_batches(
        config, {"params": state.ema}, config.monitor.samples)]
    fake = [np.concatenate(x) for x in zip(*fake, strict=True)]
    return compare(config, real(), fake) | scores(state)

  return validate


def feature_network(config):
  """Jitted: pictures [N, S, S, C] -> (features, logits or [N, 0])."""
  if config.monitor.inception:
    module, variables = interop.load(config.monitor.inception)

    @jax.jit
    def apply(variables, image):
      image = jnp.broadcast_to(image, (*image.shape[:3], 3))
      return module.apply(variables, image)

    return lambda image: jax.device_get(apply(variables, image))

  module = discriminators.ImageDiscriminator(
      size=config.data.size, image_channels=config.data.channels,
      max_channels=_WIDTH)
  size = config.data.size
  variables = jax.jit(module.init)(
      jax.random.key(0), jnp.zeros((1, size, size, config.data.channels)))

  @jax.jit
  def features(variables, image):
    _, maps = module.apply(variables, image)
    found = [x.mean((1, 2)) for k, x in maps.items() if k.startswith("block")]
    return jnp.concatenate(found, -1), jnp.zeros((len(image), 0))

  return lambda image: jax.device_get(features(variables, image))


def compare(config, real, fake) -> dict[str, float]:
  """Distances between two (features, logits)."""
  frechet = distances.frechet_distance(
      distances.moments(real[0]), distances.moments(fake[0]))
  if not config.monitor.inception:
    return {"monitor/random_feature_frechet": frechet}
  return {"monitor/fid": frechet,
          "monitor/kid": distances.kernel_distance(real[0], fake[0])[0],
          "monitor/inception_score": distances.inception_score(fake[1])[0]}


def sample_batches(config, variables, n: int, *, seed: int = 0):
  """Yields (pictures uint8, labels int32 or None) of `n` samples of G.

  Args:
    config: the experiment's config.
    variables: {"params"} of the generator.
    n: number of samples; the last batch is cut.
    seed: of latents and noise.
  """
  generator = networks.generator(config)
  draw = _drawer(generator)
  key = jax.random.key(seed)
  for first in range(0, n, BATCH):
    count = min(BATCH, n - first)
    picture, labels = jax.device_get(
        draw(variables, jax.random.fold_in(key, first)))
    yield picture[:count], None if labels is None else labels[:count]


@functools.lru_cache(maxsize=2)
def _drawer(generator):
  @jax.jit
  def draw(variables, key):
    z_key, noise_key = jax.random.split(key)
    z = jax.random.normal(z_key, (BATCH, generator.style_dim))
    noise = stylegan2.random_noise(noise_key, BATCH, generator.noise_shapes)
    sample, _ = generator.apply(variables, z, noise)
    labels = None if sample.logits is None else images.to_label(sample.logits)
    return images.to_uint8(sample.image), labels

  return draw


def real_features(config, network):
  """(features, logits) of the first unlabelled pictures of `config.monitor`.
  """
  _, unlabelled = data.train_sources(config)
  found, total = [], 0
  for batch in pipeline.eval_batches(
      unlabelled, size=config.data.size, batch_size=BATCH):
    features = network(images.from_uint8(batch["image"]))
    found.append([x[batch["mask"]] for x in features])
    total += int(batch["mask"].sum())
    if total >= config.monitor.samples:
      break
  return [np.concatenate(x) for x in zip(*found, strict=True)]


def _scores(config):
  """scores(state): Dr and Dm on the first validation pictures and labels."""
  dr, dm = networks.image_discriminator(config), networks.patch_discriminator(
      config)
  channels = networks.label_channels(config)

  @functools.cache
  def batch():
    source = data.dataset(config).splits[config.data.validation]
    # A multiple of Dr's group of 4; the first pictures again if there are few.
    found = next(pipeline.train_batches(
        source, None, size=config.data.size, batch_size=BATCH,
        unlabeled_batch_size=0, seed=0,
        augment=pipeline.AugmentOptions(flip_unlabeled=0.0)))
    return found["labeled"]

  @jax.jit
  def apply(dr_params, dm_variables, batch):
    image = images.from_uint8(batch["image"])
    found = {"monitor/dr_validation": dr.apply(
        {"params": dr_params}, image)[0].mean()}
    if channels:
      label = 2 * segmentation_losses.one_hot(
          batch["label"], channels, config.data.ignore_index) - 1
      maps = dm.apply(dm_variables, jnp.concatenate([image, label], -1),
                      update_stats=False)
      found["monitor/dm_validation"] = sum(
          scale[-1].mean() for scale in maps) / len(maps)
    return found

  def scores(state):
    found = apply(state.image_discriminator, state.patch_discriminator, batch())
    return {k: float(v) for k, v in found.items()}

  return scores

"""Watches the joint GAN train: how far samples are from real images.

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
from semseg_jax.ops import image_ops
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
    fake = [network(image_ops.from_uint8(x)) for x, _ in sample_batches(
        config, {"params": state.ema}, config.monitor.samples)]
    fake = [np.concatenate(x) for x in zip(*fake, strict=True)]
    return compare(config, real(), fake) | scores(state)

  return validate


def feature_network(config):
  """Jitted: images [N, S, S, C] -> (features, logits or [N, 0])."""
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
    means = [x.mean((1, 2)) for k, x in maps.items() if k.startswith("block")]
    return jnp.concatenate(means, -1), jnp.zeros((len(image), 0))

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
  """Yields (images uint8, labels int32 or None) of `n` samples of G.

  Args:
    config: the experiment's config.
    variables: {"params"} of the generator.
    n: number of samples; the last batch is cut.
    seed: of latents and noise.
  """
  generator = networks.generator(config)
  sample = _sampler(generator)
  key = jax.random.key(seed)
  for first in range(0, n, BATCH):
    count = min(BATCH, n - first)
    image, labels = jax.device_get(
        sample(variables, jax.random.fold_in(key, first)))
    yield image[:count], None if labels is None else labels[:count]


@functools.lru_cache(maxsize=2)
def _sampler(generator):
  @jax.jit
  def sample(variables, key):
    z_key, noise_key = jax.random.split(key)
    z = jax.random.normal(z_key, (BATCH, generator.style_dim))
    noise = stylegan2.random_noise(noise_key, BATCH, generator.noise_shapes)
    output, _ = generator.apply(variables, z, noise)
    labels = (None if output.logits is None
              else image_ops.to_label(output.logits))
    return image_ops.to_uint8(output.image), labels

  return sample


def real_features(config, network):
  """(features, logits) of the first unlabeled images of `config.monitor`.
  """
  _, unlabeled = data.train_sources(config)
  computed, total = [], 0
  for batch in pipeline.eval_batches(
      unlabeled, size=config.data.size, batch_size=BATCH):
    features = network(image_ops.from_uint8(batch["image"]))
    computed.append([x[batch["mask"]] for x in features])
    total += int(batch["mask"].sum())
    if total >= config.monitor.samples:
      break
  return [np.concatenate(x) for x in zip(*computed, strict=True)]


def _scores(config):
  """scores(state): Dr and Dm on the first validation images and labels."""
  dr, dm = networks.image_discriminator(config), networks.patch_discriminator(
      config)
  channels = networks.label_channels(config)

  @functools.cache
  def batch():
    source = data.dataset(config).splits[config.data.validation]
    # A multiple of Dr's group of 4; the first images again if there are few.
    batches = next(pipeline.train_batches(
        source, None, size=config.data.size, batch_size=BATCH,
        unlabeled_batch_size=0, seed=0,
        augment=pipeline.AugmentOptions(flip_unlabeled=0.0)))
    return batches["labeled"]

  @jax.jit
  def apply(dr_params, dm_variables, batch):
    image = image_ops.from_uint8(batch["image"])
    scored = {"monitor/dr_validation": dr.apply(
        {"params": dr_params}, image)[0].mean()}
    if channels:
      label = 2 * segmentation_losses.one_hot(
          batch["label"], channels, config.data.ignore_index) - 1
      maps = dm.apply(dm_variables, jnp.concatenate([image, label], -1),
                      update_stats=False)
      scored["monitor/dm_validation"] = sum(
          scale[-1].mean() for scale in maps) / len(maps)
    return scored

  def scores(state):
    scored = apply(
        state.image_discriminator, state.patch_discriminator, batch())
    return {k: float(v) for k, v in scored.items()}

  return scores

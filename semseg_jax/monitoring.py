"""Watches the joint GAN train: how far samples are from real images.

With a converted Inception file: FID, KID and Inception Score. In the features
of a pretrained EfficientNet-Lite: Frechet and kernel distance, precision and
recall, under names of their own, as they are not comparable with FID. Without
either a Frechet distance between our own features, those of a fixed, untrained
discriminator ("random_feature_frechet"): good for following one run. Also both
discriminators' scores on validation pairs.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax import interop
from semseg_jax.data import pipeline
from semseg_jax.evaluation import coverage
from semseg_jax.evaluation import distances
from semseg_jax.interop import pretrained
from semseg_jax.methods.common import data
from semseg_jax.methods.common import grids
from semseg_jax.methods.common import joint_networks
from semseg_jax.methods.common import networks
from semseg_jax.models import discriminators
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
    fake = [network(image_ops.from_uint8(x)) for x, _ in sample_batches(
        config, {"params": state.ema}, config.monitor.samples)]
    return compare(real(), joined(fake)) | scores(state, frozen)

  return validate


def feature_network(config):
  """Jitted: images [N, S, S, C] -> {network: its features}.

  "inception": (features [N, 2048], logits); "efficientnet" and "random":
  features [N, d]. Float32, NumPy.

  Raises ValueError: `config.monitor.network` is unknown.
  """
  c = config.monitor
  networks_of = {}
  if c.inception:
    networks_of["inception"] = _inception(c.inception)
  if c.network:
    networks_of["efficientnet"] = _efficientnet(config)
  if not networks_of:
    networks_of["random"] = _random(config)

  def features(image):
    return jax.device_get({
        name: apply(variables, image)
        for name, (apply, variables) in networks_of.items()})

  return features


def _inception(path):
  module, variables = interop.load(path)

  @jax.jit
  def apply(variables, image):
    return module.apply(
        variables, jnp.broadcast_to(image, (*image.shape[:3], 3)))

  return apply, jax.tree.map(jnp.asarray, variables)


def _efficientnet(config):
  c = config.monitor
  if c.network not in pretrained.kinds():
    raise ValueError(f"config.monitor.network is {c.network!r}; choose one of "
                     f"{pretrained.kinds()} or ''")
  module = pretrained.module(c.network, dtype=jnp.dtype(config.dtype))

  @jax.jit
  def apply(variables, image):
    if c.feature_size:
      image = jax.image.resize(
          image, (len(image), c.feature_size, c.feature_size, image.shape[-1]),
          "linear")
    return module.apply(variables, image)[1]["pooled"]

  return apply, jax.tree.map(
      jnp.asarray, pretrained.variables(c.network, config.pretrained))


def _random(config):
  size, channels = config.data.size, config.data.channels
  module = discriminators.ImageDiscriminator(
      size=size, image_channels=channels, max_channels=_WIDTH)
  variables = jax.jit(module.init)(
      jax.random.key(0), jnp.zeros((1, size, size, channels)))

  @jax.jit
  def apply(variables, image):
    _, maps = module.apply(variables, image)
    return jnp.concatenate([
        x.mean((1, 2)) for k, x in maps.items() if k.startswith("block")], -1)

  return apply, variables


def joined(batches):
  """One result of `feature_network` from a list of them."""
  return jax.tree.map(lambda *x: np.concatenate(x), *batches)


def compare(real, fake) -> dict[str, float]:
  """Distances between results of `real_features` and `feature_network`."""
  result = {}
  frechet = lambda a, b: distances.frechet_distance(
      distances.moments(a), distances.moments(b))
  if "inception" in real:
    (a, _), (b, logits) = real["inception"], fake["inception"]
    result |= {"fid": frechet(a, b), "kid": distances.kernel_distance(a, b)[0],
               "inception_score": distances.inception_score(logits)[0]}
  if "efficientnet" in real:
    a, b = real["efficientnet"], fake["efficientnet"]
    result |= {"efficientnet_frechet": frechet(a, b),
               "efficientnet_kernel": distances.kernel_distance(a, b)[0]}
    # An image's own copies would be its nearest neighbors.
    a = a[real["distinct"]] if "distinct" in real else a
    # Values depend on the numbers of features: as many of either.
    count = min(len(a), len(b))
    if count > coverage.NEIGHBOUR:
      precision, recall = coverage.precision_and_recall(a[:count], b[:count])
      result |= {"efficientnet_precision": precision,
                 "efficientnet_recall": recall}
  if "random" in real:
    result["random_feature_frechet"] = frechet(real["random"], fake["random"])
  return {f"monitor/{name}": value for name, value in result.items()}


def sample_batches(config, variables, n: int):
  """Yields (images uint8, labels int32 or None) of `n` samples of G.

  Args:
    variables: {"params"} of the generator.
    n: number of samples; the last batch is cut.
  """
  generator = networks.generator(config)
  key = jax.random.key(0)
  for first in range(0, n, BATCH):
    count = min(BATCH, n - first)
    image, labels = jax.device_get(grids.generated(
        generator, BATCH, variables, jax.random.fold_in(key, first)))
    yield image[:count], None if labels is None else labels[:count]


def real_features(config, network):
  """Features of the first unlabeled images, `config.monitor.samples`.

  With "distinct": bool [n], False where an image is there again
  (`data.pool_repeats`).

  Raises ValueError: there are none.
  """
  _, unlabeled = data.train_sources(config)
  if unlabeled is None:
    raise ValueError("config.data.num_unlabeled is 0, but samples are compared "
                     "with unlabeled images: give -1 for all, or a count")
  computed, total = [], 0
  for batch in pipeline.eval_batches(
      unlabeled, size=config.data.size, batch_size=BATCH):
    features = network(image_ops.from_uint8(batch["image"]))
    computed.append(jax.tree.map(lambda x, m=batch["mask"]: x[m], features))
    total += int(batch["mask"].sum())
    if total >= config.monitor.samples:
      break
  # Without the rest of a batch; studies compare where nothing is monitored.
  total = min(total, config.monitor.samples or total)
  _, first = np.unique(unlabeled.ids[:total], return_index=True)
  features = jax.tree.map(lambda x: x[:total], joined(computed))
  return features | {"distinct": np.isin(np.arange(total), first)}


def _scores(config):
  """scores(state, frozen): Dr and Dm on the first validation pairs."""
  modules = joint_networks.make(config)

  @functools.cache
  def batch():
    source = data.dataset(config).splits.get(config.data.validation)
    if source is None or not source.labeled:
      return None  # images alone: none is held out
    # A multiple of Dr's group of 4; the first images again if there are few.
    return next(pipeline.train_batches(
        source, None, size=config.data.size, batch_size=BATCH,
        unlabeled_batch_size=0, seed=0,
        augment=pipeline.AugmentOptions(flip_unlabeled=0.0)))["labeled"]

  @jax.jit
  def apply(frozen, dr, dm, batch):
    image = image_ops.from_uint8(batch["image"])
    scores, _ = joint_networks.score_image(
        modules, frozen, dr, image, train=False)
    result = {"monitor/dr_validation": joint_networks.mean_score(scores)}
    if modules.labeled:
      label = 2 * segmentation_losses.one_hot(
          batch["label"], modules.generator.label_channels,
          data.ignore_index(config)) - 1
      maps, _ = joint_networks.pair_maps(
          modules, frozen, dm, image, label, train=False)
      result["monitor/dm_validation"] = joint_networks.mean_score(
          joint_networks.score_maps(maps))
    return result

  def scores(state, frozen):
    if batch() is None:
      return {}
    result = apply(frozen, state.image_discriminator,
                   state.patch_discriminator, batch())
    return {k: float(v) for k, v in result.items()}

  return scores

"""Stage `s4gan`: a segmenter trained by labels, a discriminator and itself.

Mittal, Tatarchenko, Brox: "Semi-Supervised Semantic Segmentation with High- and
Low-Level Consistency", TPAMI 2021, section 3.1. A discriminator judges images
with their segmentations. Where it takes a prediction for a label, the
prediction becomes a label (self-training); its features of predictions and
labels are brought together (feature matching).

One phase, in the order of the official code: the segmenter's three losses, then
the discriminator's on the same predictions, then both updates.
"""

from collections.abc import Callable
import functools
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from semseg_jax.methods import supervised
from semseg_jax.methods.common import checks
from semseg_jax.methods.common import data
from semseg_jax.methods.common import segmenter
from semseg_jax.methods.semisup import adversarial
from semseg_jax.methods.semisup import streams
from semseg_jax.models import segmentation_discriminators
from semseg_jax.ops import segmentation_losses
from semseg_jax.ops import semisup_losses
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = ("s4gan", "segmenter", "supervised")


class Modules(NamedTuple):
  """What is trained; `groups` and `repeats` are as in `common.segmenter`."""
  segmenter: Any
  discriminator: segmentation_discriminators.ImageDiscriminator
  groups: Callable[[Any], Any]
  repeats: Callable[[Any], Any] | None = None


class Outputs(NamedTuple):
  """What the losses of an iteration were made of."""
  network: Any  # the segmenter's variables after its two forward passes
  # unlabeled, real: the discriminator's (logits [N], features [N, D]) of the
  # predictions and of the labels, as the segmenter was trained with.
  unlabeled: tuple[jax.Array, jax.Array]
  real: tuple[jax.Array, jax.Array]
  selected: jax.Array  # [N] bool, predictions that were trusted
  # (minimum, maximum) of the real images as they were judged.
  real_range: tuple[jax.Array, jax.Array]
  metrics: dict[str, jax.Array]  # scalars


def from_config(config) -> Modules:
  """The networks that the config describes."""
  module = adversarial.network(config, "s4gan")
  return Modules(
      module,
      segmentation_discriminators.ImageDiscriminator(
          width=config.s4gan.discriminator_width, dropout=config.s4gan.dropout,
          dtype=jnp.dtype(config.dtype)),
      functools.partial(segmenter.groups, module),
      segmenter.repeats(config))


def gradients(config, modules: Modules, state, batch, rngs):
  """Gradients of both networks at `state`, before weight decay.

  Args:
    state: an `adversarial.State`.
    batch: "labeled" and "real", {"image", "label"}, and "unlabeled", {"image"}.
    rngs: dropout keys of the segmenter's two and the discriminator's four
      passes, by name.

  Returns ({"network", "discriminator"}, `Outputs`).
  """
  c = config.s4gan
  ignore = data.ignore_index(config)
  image = {k: segmenter.normalized(config, batch[k]["image"]) for k in batch}
  scaled = semisup_losses.scale_to_range(image["unlabeled"])
  # The official code divides real images by the range of the labeled batch.
  span = semisup_losses.value_range(image["labeled"])[1]
  real_scaled = semisup_losses.scale_to_range(
      image["real"], span if config.match_official else None)

  def judge(params, label, image, key):
    return modules.discriminator.apply(
        {"params": params}, jnp.concatenate([label, image], -1), train=True,
        rngs={"dropout": key})

  def real_pair(channels):
    return segmentation_losses.one_hot(
        batch["real"]["label"], channels, ignore), real_scaled

  def network_loss(params):
    variables = {**state.network, "params": params}
    logits, variables = segmenter.apply(
        modules.segmenter, variables, image["labeled"], train=True,
        key=rngs["labeled"])
    entropy, dice = supervised.label_losses(
        logits, batch["labeled"]["label"], ignore)
    logits, variables = segmenter.apply(
        modules.segmenter, variables, image["unlabeled"], train=True,
        key=rngs["unlabeled"])
    fake = jax.nn.softmax(logits)
    score, features = judge(
        state.discriminator, fake, scaled, rngs["fake"])
    selected = semisup_losses.trusted(
        jax.nn.sigmoid(score), c.threshold) & (
            state.step >= c.self_training_start)
    trusted = semisup_losses.self_training(logits, selected)
    real = judge(
        state.discriminator, *real_pair(logits.shape[-1]), rngs["real"])
    matching = semisup_losses.feature_matching(real[1], features)
    loss = (entropy + c.dice_weight * dice
            + c.feature_matching_weight * matching
            + c.self_training_weight * trusted)
    return loss, (fake, Outputs(
        variables, (score, features), real, selected,
        (real_scaled.min(), real_scaled.max()), {
            "s/loss": loss, "s/cross_entropy": entropy, "s/dice": dice,
            "s/feature_matching": matching, "s/self_training": trusted,
            "s/selected": selected.mean(dtype=jnp.float32)}))

  network, (fake, outputs) = jax.grad(network_loss, has_aux=True)(
      state.network["params"])

  def discriminator_loss(params):
    score, _ = judge(
        params, jax.lax.stop_gradient(fake), scaled, rngs["judged_fake"])
    real, _ = judge(
        params, *real_pair(fake.shape[-1]), rngs["judged_real"])
    of_fake = semisup_losses.score_loss(score, False)
    of_real = semisup_losses.score_loss(real, True)
    loss = 0.5 * (of_fake + of_real)
    return loss, {
        "d/loss": loss, "d/fake_loss": of_fake, "d/real_loss": of_real,
        "d_score/unlabeled": jax.nn.sigmoid(score).mean(),
        "d_score/labels": jax.nn.sigmoid(real).mean()}

  discriminator, metrics = jax.grad(discriminator_loss, has_aux=True)(
      state.discriminator)
  return ({"network": network, "discriminator": discriminator},
          outputs._replace(metrics=outputs.metrics | metrics))


def make(config, workdir, *, modules: Modules | None = None) -> stage.Stage:
  """The stage that `config` describes; nothing is read before training.

  Args:
    workdir: the run's folder; this stage needs nothing from it.
    modules: networks to train instead of those the config describes.

  Raises ValueError: no labels, or a threshold that no score can pass.
  """
  del workdir
  c = config.s4gan
  checks.labels(config, "s4gan")
  if not 0 < c.threshold < 1:
    raise ValueError(f"config.s4gan.threshold is {c.threshold}: scores lie in "
                     "(0, 1), so it has to lie there, too")
  modules = modules or from_config(config)
  tx = adversarial.optimizers(
      config, "s4gan", modules.groups, modules.repeats)

  def init(key, frozen):
    return adversarial.initial_state(
        config, key, frozen, modules.segmenter, modules.discriminator,
        segmenter.channels(config) + config.data.num_classes, tx)

  def train_step(state, frozen, batch, rngs, *, phase):
    del frozen, phase
    grads, outputs = gradients(config, modules, state, batch, rngs)
    return (adversarial.updated(state, tx, grads, outputs.network),
            outputs.metrics)

  def rngs(key, phase):
    del phase
    names = ("labeled", "unlabeled", "fake", "real", "judged_fake",
             "judged_real")
    return dict(zip(names, jax.random.split(key, 6), strict=True))

  return adversarial.make_stage(
      config, c, modules.segmenter, init=init, rngs=rngs,
      train_step=train_step, train_data=lambda start: streams.batches(
          config, start, labeled=c.batch_size, unlabeled=c.batch_size,
          real=c.batch_size, color=c.color.to_dict()))

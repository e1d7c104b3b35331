"""Stage `adv_ssl`: adversarial learning with confidence maps, a baseline.

Hung, Tsai, Liou, Lin, Yang: "Adversarial Learning for Semi-Supervised Semantic
Segmentation", BMVC 2018. A fully convolutional discriminator tells predictions
from labels pixel by pixel. The segmenter learns to mislead it, on labeled and
unlabeled images, and later trusts its own labels where the discriminator
does (eqs. 2 to 5). The discriminator learns from labeled images alone.
"""

import functools

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
FIELDS = ("adv_ssl", "segmenter", "supervised")


def make(config, workdir) -> stage.Stage:
  """The stage that `config` describes; nothing is read before training.

  Raises ValueError: no labels, or a threshold that no confidence can pass.
  """
  del workdir
  c = config.adv_ssl
  checks.labels(config, "adv_ssl")
  if not 0 < c.threshold < 1:
    raise ValueError(f"config.adv_ssl.threshold is {c.threshold}: confidences "
                     "lie in (0, 1), so it has to lie there, too")
  module = adversarial.network(config, "adv_ssl")
  judge_module = segmentation_discriminators.PixelDiscriminator(
      width=c.discriminator_width, dtype=jnp.dtype(config.dtype))
  tx = adversarial.optimizers(
      config, "adv_ssl", functools.partial(segmenter.groups, module))

  def init(key, frozen):
    return adversarial.initial_state(
        config, key, frozen, module, judge_module, config.data.num_classes, tx)

  def judge(params, label):
    return judge_module.apply({"params": params}, label)

  def train_step(state, frozen, batch, rngs, *, phase):
    del frozen, phase
    image = {k: segmenter.normalized(config, batch[k]["image"]) for k in batch}
    label = batch["labeled"]["label"]
    known = segmentation_losses.valid_pixels(
        label, data.ignore_index(config))

    def network_loss(params):
      variables = {**state.network, "params": params}
      logits, variables = segmenter.apply(
          module, variables, image["labeled"], train=True, key=rngs[0])
      fake = jax.nn.softmax(logits)
      entropy, dice = supervised.label_losses(
          logits, label, data.ignore_index(config))
      fooling = semisup_losses.score_loss(
          judge(state.discriminator, fake), True, known)
      free, variables = segmenter.apply(
          module, variables, image["unlabeled"], train=True, key=rngs[1])
      score = judge(state.discriminator, jax.nn.softmax(free))
      free_fooling = semisup_losses.score_loss(score, True)
      trusted = semisup_losses.trusted(
          jax.nn.sigmoid(score), c.threshold) & (
              state.step >= c.self_training_start)
      training = semisup_losses.self_training(free, trusted)
      loss = (entropy + c.dice_weight * dice
              + c.labeled_adversarial_weight * fooling
              + c.unlabeled_adversarial_weight * free_fooling
              + c.self_training_weight * training)
      return loss, (variables, fake, {
          "s/loss": loss, "s/cross_entropy": entropy, "s/dice": dice,
          "s/adversarial": fooling, "s/unlabeled_adversarial": free_fooling,
          "s/self_training": training,
          "s/selected": trusted.mean(dtype=jnp.float32),
          "d_score/unlabeled": jax.nn.sigmoid(score).mean()})

    network, (variables, fake, metrics) = jax.grad(
        network_loss, has_aux=True)(state.network["params"])
    truth = segmentation_losses.one_hot(
        label, fake.shape[-1], data.ignore_index(config))

    def discriminator_loss(params):
      score = judge(params, jax.lax.stop_gradient(fake))
      real = judge(params, truth)
      loss = 0.5 * (semisup_losses.score_loss(score, False, known)
                    + semisup_losses.score_loss(real, True, known))
      return loss, {"d/loss": loss,
                    "d_score/labeled": jax.nn.sigmoid(score).mean(),
                    "d_score/labels": jax.nn.sigmoid(real).mean()}

    discriminator, judged = jax.grad(discriminator_loss, has_aux=True)(
        state.discriminator)
    gradients = {"network": network, "discriminator": discriminator}
    return (adversarial.updated(state, tx, gradients, variables),
            metrics | judged)

  return adversarial.make_stage(
      config, c, module, init=init, train_step=train_step,
      rngs=lambda key, phase: jax.random.split(key),
      train_data=lambda start: streams.batches(
          config, start, labeled=c.batch_size, unlabeled=c.batch_size,
          color=c.color.to_dict()))

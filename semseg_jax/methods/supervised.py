"""Stage `supervised`: a network on the labeled images alone, the baseline.

Cross entropy and, unless its weight is 0, Dice on the same labels and with the
same paired augmentation as the other methods get; the checkpoint is chosen on
validation. The network is a U-Net, or the DeepLab of `config.segmenter`. With a
folder of synthetic pairs (`supervised.synthetic`) each batch has as many of
them besides.
"""

import functools
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import optax

from semseg_jax.data import pairs
from semseg_jax.methods.common import checks
from semseg_jax.methods.common import data
from semseg_jax.methods.common import segmenter
from semseg_jax.ops import segmentation_losses
from semseg_jax.training import microbatches
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = ("num_microbatches", "supervised", "segmenter")


class State(struct.PyTreeNode):
  """All that training changes."""
  step: jax.Array  # int32 scalar, finished steps
  network: Any  # {"params", "batch_stats"}
  optimizer: Any  # optax state


def make(config, workdir, *, extra=None) -> stage.Stage:
  """The stage that `config` describes.

  Args:
    workdir: not used.
    extra: () -> source of further pairs, read when training starts; None: the
      folder of `config.supervised.synthetic`, if there is one.
  """
  del workdir
  c = config.supervised
  checks.labels(config, "supervised")
  microbatches.check(
      c.batch_size, config.num_microbatches, "config.supervised.batch_size")
  if c.synthetic and extra is None:
    folder = pairs.Pairs(c.synthetic, config.data.channels,
                         config.data.num_classes, data.ignore_index(config))
    extra = lambda: folder
  module = segmenter.build(config)
  tx = segmenter.optimizer(
      config, "supervised", functools.partial(segmenter.groups, module),
      segmenter.repeats(config))

  def init(key, frozen):
    variables = segmenter.init(
        module, key, data.shape(config), segmenter.channels(config), frozen)
    return State(step=jnp.zeros((), jnp.int32), network=variables,
                 optimizer=tx.init(variables["params"]))

  def train_step(state, frozen, batch, rngs, *, phase):
    del frozen, phase
    streams = [batch[k] for k in ("labeled", "synthetic") if k in batch]
    batch = jax.tree.map(lambda *x: jnp.concatenate(x), *streams)

    def loss_fn(params, batch):
      logits, variables = segmenter.apply(
          module, {**state.network, "params": params},
          segmenter.normalized(config, batch["image"]), train=True, key=rngs)
      entropy, dice = label_losses(
          logits, batch["label"], data.ignore_index(config))
      loss = entropy + c.dice_weight * dice
      changed = {k: v for k, v in variables.items() if k != "params"}
      return loss, (changed, {
          "loss": loss, "cross_entropy": entropy, "dice": dice})

    # Where the network has dropout all microbatches use the same key.
    gradients, (changed, metrics) = microbatches.grad(
        loss_fn, config.num_microbatches)(state.network["params"], batch)
    deltas, opt = tx.update(
        gradients, state.optimizer, state.network["params"])
    params = optax.apply_updates(state.network["params"], deltas)
    return State(step=state.step + 1,
                 network={**state.network, **changed, "params": params},
                 optimizer=opt), metrics

  def train_data(start):
    augment = data.augment_options(config, **c.color.to_dict())
    real = data.train_batches(
        config, batch_size=c.batch_size, unlabeled_batch_size=0,
        start_step=start, augment=augment)
    if extra is None:
      return real
    # Of the same seed: the k-th image and the k-th sample of a batch are moved
    # and recolored alike.
    made = data.source_batches(
        config, extra(), batch_size=c.batch_size, start_step=start,
        augment=augment)
    return ({"labeled": a["labeled"], "synthetic": b["labeled"]}
            for a, b in zip(real, made, strict=True))

  return stage.Stage(
      steps=c.steps, load_frozen=lambda: segmenter.initial(config), init=init,
      phases=lambda step: ("step",), rngs=lambda key, phase: key,
      train_step=train_step, train_data=train_data,
      **segmenter.watched(config, module))


def label_losses(logits, label, ignore_index: int, *, temperatures=(1.0, 1.0),
                 include_background: bool = True):
  """Cross entropy and Dice loss, each at its temperature."""
  target = segmentation_losses.one_hot(label, logits.shape[-1], ignore_index)
  dice = segmentation_losses.dice_loss(
      logits, target, temperature=temperatures[1],
      include_background=include_background,
      valid=segmentation_losses.valid_pixels(label, ignore_index))
  entropy = (segmentation_losses.binary_cross_entropy
             if logits.shape[-1] == 1 else segmentation_losses.cross_entropy)
  return entropy(logits, label, temperature=temperatures[0],
                 ignore_index=ignore_index), dice

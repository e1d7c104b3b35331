"""Stage `supervised`: a U-Net on the labelled pictures alone, the baseline.

Cross entropy and Dice on the same labels and with the same paired augmentation
as the other methods get; the number of steps is chosen on validation.
"""

from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import optax

from semseg_jax.methods.common import data
from semseg_jax.methods.common import grids
from semseg_jax.methods.common import networks
from semseg_jax.methods.common import validation
from semseg_jax.models import unet
from semseg_jax.ops import images
from semseg_jax.ops import segmentation_losses
from semseg_jax.training import checkpoint
from semseg_jax.training import microbatches
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = ("supervised",)


class State(struct.PyTreeNode):
  """All that training changes.

  Attributes:
    step: int32 scalar, finished steps.
    network: {"params", "batch_stats"}.
    optimizer: optax state.
  """
  step: jax.Array
  network: Any
  optimizer: Any


def network(config) -> unet.UNet:
  """The segmenter that `config.supervised` describes."""
  c = config.supervised
  return unet.UNet(
      num_classes=networks.label_channels(config), width=c.width,
      levels=c.levels, dtype=jnp.dtype(config.dtype))


def make(config, workdir) -> stage.Stage:
  """The stage that `config` describes."""
  del workdir
  c = config.supervised
  if not config.data.labels:
    raise ValueError("stage 'supervised' needs labelled pictures: set "
                     "config.data.labels to a count, or -1 for all")
  microbatches.check(
      c.batch_size, config.microbatches, "config.supervised.batch_size")
  module = network(config)
  size, channels = config.data.size, config.data.channels
  tx = optax.adamw(
      optax.cosine_decay_schedule(c.learning_rate, max(1, c.steps)),
      weight_decay=c.weight_decay)

  def init(key, frozen):
    del frozen
    variables = dict(module.init(
        key, jnp.zeros((1, size, size, channels)), train=False))
    return State(step=jnp.zeros((), jnp.int32), network=variables,
                 optimizer=tx.init(variables["params"]))

  def train_step(state, frozen, batch, draws, *, phase):
    del frozen, draws, phase

    def loss_fn(params, batch):
      logits, changed = module.apply(
          {**state.network, "params": params},
          images.from_uint8(batch["image"]), train=True,
          mutable=["batch_stats"])
      entropy, dice = label_losses(
          logits, batch["label"], config.data.ignore_index)
      loss = entropy + c.dice * dice
      return loss, (changed, {
          "loss": loss, "cross_entropy": entropy, "dice": dice})

    gradients, (changed, metrics) = microbatches.grad(
        loss_fn, config.microbatches)(
            state.network["params"], batch["labeled"])
    deltas, opt = tx.update(
        gradients, state.optimizer, state.network["params"])
    params = optax.apply_updates(state.network["params"], deltas)
    return State(step=state.step + 1,
                 network={**state.network, **changed, "params": params},
                 optimizer=opt), metrics

  @jax.jit
  def logits(variables, picture):
    return module.apply(variables, images.from_uint8(picture), train=False)

  def sample(state, frozen, key):
    del frozen, key
    batch = validation.first_batch(config, grids.COLUMNS)
    found = images.to_label(logits(state.network, batch["image"]))
    colors = data.dataset(config).spec.colors
    return {"labels": jnp.concatenate([
        grids.tile(batch["image"]),
        grids.tile(images.colorize(jax.device_get(found), colors))])}

  return stage.Stage(
      steps=c.steps,
      load_frozen=lambda: {},
      init=init,
      phases=lambda step: ("step",),
      draws=lambda key, phase: (),
      train_step=train_step,
      train_data=lambda start: data.train_batches(
          config, batch_size=c.batch_size, unlabeled_batch_size=0,
          start_step=start,
          augment=data.augment_options(config, **c.color.to_dict())),
      sample=sample,
      validate=validation.validator(
          config, lambda state, frozen, x: logits(state.network, x)))


def predictor(config, workdir, *, stage_name: str = "supervised"):
  """predict(pictures, indices) -> {"supervised": {"logits"}} of a run.

  The checkpoint is the one that was best on validation.
  """
  module = network(config)
  size, channels = config.data.size, config.data.channels
  abstract = dict(jax.eval_shape(
      lambda key: module.init(
          key, jnp.zeros((1, size, size, channels)), train=False),
      jax.random.key(0)))
  folder = workdir / stage_name / "ckpt"
  if not checkpoint.exists(folder):
    raise FileNotFoundError(
        f"evaluation needs the trained stage {stage_name!r}, but {folder} "
        "holds no checkpoint: run train.py with the same --workdir")
  variables = checkpoint.restore_subtree(
      folder, {"network": abstract}, step=checkpoint.best(folder))["network"]

  @jax.jit
  def logits(variables, picture):
    return module.apply(variables, images.from_uint8(picture), train=False)

  def predict(pictures, indices):
    del indices
    return {stage_name: {"logits": jax.device_get(
        logits(variables, pictures))}}

  return predict


def label_losses(logits, label, ignore_index: int):
  """Cross entropy and Dice loss (all channels) at temperature 1."""
  target = segmentation_losses.one_hot(label, logits.shape[-1], ignore_index)
  dice = segmentation_losses.dice_loss(
      logits, target, temperature=1.0, include_background=True,
      valid=segmentation_losses.valid_pixels(label, ignore_index))
  entropy = (segmentation_losses.binary_cross_entropy
             if logits.shape[-1] == 1 else segmentation_losses.cross_entropy)
  return entropy(logits, label, ignore_index=ignore_index), dice

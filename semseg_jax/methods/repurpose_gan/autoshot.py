"""Stage `autoshot`: a U-Net on images that the few-shot segmenter labels.

RepurposeGAN's auto-shot segmentation: N generated images with soft labels
train a network that needs neither generator nor inversion. The data set is a
key: image i and its label are made again from it inside each step, and never
stored (5000 soft maps of 10 classes at 512 px would be 52 GB). With
`autoshot.styles` (ours) images are drawn as `distilled.styles` draws them.
"""

import functools
import itertools
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from semseg_jax.data import flips
from semseg_jax.interop import pretrained
from semseg_jax.methods.common import data
from semseg_jax.methods.common import feature_segmenter
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import grids
from semseg_jax.methods.common import hypercolumns
from semseg_jax.methods.common import segmenter as common_segmenter
from semseg_jax.methods.common import trained
from semseg_jax.methods.common import validation
from semseg_jax.methods.repurpose_gan import segmenter
from semseg_jax.methods.repurpose_gan import shots as shots_lib
from semseg_jax.models import backbone_unet
from semseg_jax.models import efficientnet_lite
from semseg_jax.models import stylegan2
from semseg_jax.models import unet
from semseg_jax.ops import affine
from semseg_jax.ops import image_ops
from semseg_jax.ops import schedules
from semseg_jax.ops import segmentation_losses
from semseg_jax.training import checkpoint
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = (*segmenter.FIELDS, "autoshot")
# Side of images that the network still can halve four times.
_LEAST = 16


class State(struct.PyTreeNode):
  """All that training changes."""
  step: jax.Array  # int32 scalar, finished steps
  network: Any  # {"params", "batch_stats"}
  optimizer: Any  # optax state
  plateau: schedules.Plateau  # `schedules.Plateau`, with the learning rate


def network(config):
  """The network that `config.autoshot` describes.

  Raises ValueError: unknown backbone.
  """
  backbone = config.autoshot.backbone
  if backbone:
    if backbone not in efficientnet_lite.NAMES:
      raise ValueError(
          f"config.autoshot.backbone is {backbone!r}; choose one of "
          f"{list(efficientnet_lite.NAMES)} or '' for the official network")
    return backbone_unet.BackboneUNet(
        num_classes=config.data.num_classes,
        variant=efficientnet_lite.NAMES[backbone],
        width=config.autoshot.width, dtype=jnp.dtype(config.dtype))
  return unet.AutoShotUNet(
      num_classes=config.data.num_classes, width=config.autoshot.width,
      dtype=jnp.dtype(config.dtype))


def make(config, workdir, *, teacher=None) -> stage.Stage:
  """The stage that `config` describes.

  Args:
    workdir: the run's folder, with the generator.
    teacher: the folder whose stage `segmenter` labels; None: `workdir`.
  """
  c = config.autoshot
  module = network(config)
  side, channels = hypercolumns.size(config), config.data.channels
  count, held_out = _counts(config, side)
  epoch = -(-count // c.batch_size)  # Steps.
  make_pair = pairs(config)
  tx = optax.chain(
      optax.clip(c.clip), optax.add_decayed_weights(c.weight_decay),
      optax.scale_by_adam())

  def load_frozen():
    trained_generator = generators.load(config, workdir, "stage 'autoshot'")
    initial = {}
    if c.backbone:
      initial = pretrained.variables(c.backbone, config.pretrained)
    return {"generator": trained_generator.variables,
            "mean": trained_generator.mean, "initial": initial,
            "segmenter": segmenter.load(
                config, teacher or workdir, "stage 'autoshot'")}

  def init(key, frozen):
    # None where only shapes are asked for.
    variables = common_segmenter.init(
        module, key, (side, side), channels, (frozen or {}).get("initial"))
    return State(
        step=jnp.zeros((), jnp.int32), network=variables,
        optimizer=tx.init(variables["params"]),
        plateau=schedules.plateau_start(c.learning_rate))

  def update(state, frozen, batch, rngs):
    image, target, inside = augmented(
        config, rngs["affine"], *make_pair(frozen, batch["index"]))

    def loss_fn(params):
      logits, changed = module.apply(
          {**state.network, "params": params}, image, train=True,
          mutable=["batch_stats"])
      return segmentation_losses.soft_cross_entropy(
          logits, target, inside), changed

    (loss, changed), gradients = jax.value_and_grad(
        loss_fn, has_aux=True)(state.network["params"])
    deltas, opt = tx.update(
        gradients, state.optimizer, state.network["params"])
    params = jax.tree.map(lambda p, d: p - state.plateau.rate * d,
                          state.network["params"], deltas)
    return state.replace(
        step=state.step + 1, optimizer=opt,
        network={**state.network, **changed, "params": params}), {
            "loss": loss, "learning_rate": state.plateau.rate}

  def end_epoch(state, frozen):
    """The loss on held-out images, and what it does to the rate."""
    size = min(c.batch_size, held_out)
    positions = np.arange(-(-held_out // size) * size)
    index = count + jnp.minimum(positions, held_out - 1).reshape(-1, size)

    def loss(index):
      image, target = make_pair(frozen, index)
      predicted = module.apply(state.network, image, train=False)
      return -jnp.sum(target * jax.nn.log_softmax(predicted), -1).mean((1, 2))

    losses = jax.lax.map(loss, index).reshape(-1)[:held_out]
    return state.replace(plateau=schedules.plateau(
        state.plateau, losses.mean(), patience=c.patience, factor=c.factor,
        floor=c.floor)), {"held_out/loss": losses.mean()}

  def train_step(state, frozen, batch, rngs, *, phase):
    if phase == "end_epoch":
      return end_epoch(state, frozen)
    return update(state, frozen, batch, rngs)

  logits = _logits_of(config, module)

  def sample(state, frozen, key):
    del key
    colors = shots_lib.spec(config).colors
    image, target = jax.jit(make_pair)(frozen, jnp.arange(grids.COLUMNS))
    predicted = image_ops.to_label(logits(state.network, image))
    rows = [image_ops.to_uint8(image)] + [
        image_ops.colorize(np.asarray(x), colors)
        for x in (image_ops.to_label(target), predicted)]
    return {"labels": np.concatenate(
        [grids.tile(np.asarray(r)) for r in rows])}

  return stage.Stage(
      steps=c.steps,
      load_frozen=load_frozen,
      init=init,
      # The epoch that ended at this step is judged before the next begins.
      phases=lambda step: (
          ("end_epoch",) if step and step % epoch == 0 else ()) + ("step",),
      rngs=lambda key, phase: {"affine": affine.affine_rngs(
          key, c.batch_size)} if phase == "step" else (),
      train_step=train_step,
      train_data=lambda start: indices(config, count, start),
      sample=sample,
      validate=validation.validator(
          config, lambda state, frozen, x: logits(state.network, x))
      if _has_validation(config) else None)


def _counts(config, side: int) -> tuple[int, int]:
  """How many images are trained on, and how many are held out.

  Raises ValueError: a field that this stage cannot work with.
  """
  c = config.autoshot
  if config.data.size % side:
    raise ValueError(  # images would not lie on their labels
        f"config.hypercolumn.size is {side}: stage 'autoshot' takes what "
        f"divides config.data.size, {config.data.size}")
  if side < _LEAST:
    field = "hypercolumn" if config.hypercolumn.size else "data"
    raise ValueError(f"config.{field}.size is {side}: stage 'autoshot' takes "
                     f"{_LEAST} or more")
  held_out = max(1, round(c.held_out * c.num_samples))
  if held_out >= c.num_samples:
    raise ValueError(
        f"config.autoshot.num_samples is {c.num_samples}: at least two "
        "are needed, one of them is held out")
  if c.get("styles", 0.0) < 0:
    raise ValueError(f"config.autoshot.styles is {c.styles}; give 0 or more")
  if c.batch_size % jax.process_count():
    raise ValueError(
        f"config.autoshot.batch_size is {c.batch_size}: give a multiple of the "
        f"{jax.process_count()} processes")
  return c.num_samples - held_out, held_out


def augmented(config, rngs, image, target):
  """Images and soft labels moved alike at random.

  Args:
    rngs: of `affine.affine_rngs`.
    image: [N, S, S, C] in [-1, 1], black where it is read from outside.
    target: [N, S, S, K], probabilities.

  Returns (image, target, inside [N, S, S]: 1 where a pixel has a label).
  """
  c = config.autoshot.augment
  painted = config.shots.source == "folder"
  flip = shots_lib.spec(config).flip if painted else data.flip_rule(config)
  at = affine.positions(
      rngs, *image.shape[1:3], degrees=c.degrees, shift=c.shift,
      scale=tuple(c.scale), flip=0.0 if flip is None else c.flip)
  image, inside = affine.read(image, at)
  image = jnp.where(inside[..., None] > 0, image, -1.0)
  target, _ = affine.read(target, at)
  if flips.exchanges(flip):
    target = jnp.where((rngs["flip"] < c.flip)[:, None, None, None],
                       target[..., jnp.asarray(flip)], target)
  return image, target, inside


def indices(config, count: int, start: int):
  """This process's batches {"index": [n]} of `count` images, from a step on.

  Every epoch has an order of its own.
  """
  batch = config.autoshot.batch_size

  @functools.lru_cache(maxsize=2)
  def order(epoch):
    return np.random.default_rng([config.seed, epoch]).permutation(count)

  rows = batch // jax.process_count()
  for step in itertools.count(start):
    first = step * batch + jax.process_index() * rows
    yield {"index": np.array(
        [order(i // count)[i % count] for i in range(first, first + rows)],
        np.int32)}


def _has_validation(config) -> bool:
  """Whether there are masks to choose the checkpoint by."""
  if not config.data.name:
    return False
  split = data.dataset(config).splits.get(config.data.validation)
  return split is not None and split.labeled


def pairs(config):
  """make_pair(frozen, index [N]) -> (image [N, S, S, C], soft label).

  Pure: the same index gives the same pair at any time, in any batch. The image
  is clamped to [-1, 1]; the label [N, S, S, K] is the segmenter's softmax.
  """
  generator = generators.module(config)
  module = feature_segmenter.network(config)
  extract = hypercolumns.names(config, generator)
  side = hypercolumns.size(config)

  styles = config.autoshot.get("styles", 0.0)  # absent in former versions

  def sample_inputs(index):
    key = jax.random.fold_in(jax.random.key(config.seed), index)
    z_key, *keys = jax.random.split(key, 1 + len(generator.noise_shapes))
    noise = tuple(
        jax.random.normal(k, (h, w, 1))
        for k, (h, w) in zip(keys, generator.noise_shapes, strict=True))
    return jax.random.normal(z_key, (generator.style_dim,)), noise

  def sample_style(index):
    z_key, psi_key = jax.random.split(jax.random.fold_in(
        jax.random.key(config.seed + 1), index))
    return (jax.random.normal(z_key, (generator.style_dim,)),
            styles * jax.random.uniform(psi_key, (1,)))

  def make_pair(frozen, index):
    mapping = lambda z: generator.apply(
        frozen["generator"], z, method="mapping")
    synthesize = lambda latents: generator.apply(
        frozen["generator"], latents, noise, method="synthesize")
    z, noise = jax.vmap(sample_inputs)(index)
    w = stylegan2.truncate(
        mapping(z), frozen["mean"], config.autoshot.truncation)
    sample, maps = synthesize(
        stylegan2.broadcast_latents(w, generator.num_ws))
    class_logits = module.apply({"params": frozen["segmenter"]},
                                tuple(maps[n] for n in extract))
    if styles:
      z, psi = jax.vmap(sample_style)(index)
      sample, _ = synthesize(stylegan2.restyle(
          w, mapping(z), frozen["mean"], psi, generator.num_ws))
    image = jnp.clip(sample.image.astype(jnp.float32), -1.0, 1.0)
    return image_ops.area_reduce(image, side), jax.nn.softmax(class_logits)

  return make_pair


def predictor(config, workdir):
  """predict(images, indices) -> {"auto_shot": {"logits"}} of a run."""
  module = network(config)
  side = hypercolumns.size(config)
  abstract = jax.eval_shape(
      lambda key: common_segmenter.init(
          module, key, (side, side), config.data.channels), jax.random.key(0))
  variables = trained.restored(
      workdir, "autoshot", {"network": abstract}, "evaluation",
      step=checkpoint.best)["network"]
  logits = _logits_of(config, module)
  return lambda images, indices: {
      "auto_shot": {"logits": jax.device_get(logits(variables, images))}}


def _logits_of(config, module):
  """(variables, images) -> logits [N, S, S, K] at the size of hypercolumns."""
  side = hypercolumns.size(config)
  return jax.jit(lambda variables, images: module.apply(
      variables, image_ops.area_reduce(data.to_float(images), side),
      train=False))

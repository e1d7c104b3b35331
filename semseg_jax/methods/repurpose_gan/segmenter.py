"""Stage `segmenter`: parts from a generator's features and a few labels.

Tritrong, Rewatbowornwong, Suwajanakorn, "Repurposing GANs for One-shot
Semantic Part Segmentation", CVPR 2021. The generator is frozen; its maps of the
labeled images are computed once. One update takes one image.
"""

import itertools
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from semseg_jax.methods.common import generator as trained
from semseg_jax.methods.common import grids
from semseg_jax.methods.repurpose_gan import features
from semseg_jax.methods.repurpose_gan import projection
from semseg_jax.methods.repurpose_gan import shots as shots_lib
from semseg_jax.models import few_shot
from semseg_jax.ops import image_ops
from semseg_jax.ops import segmentation_losses
from semseg_jax.training import checkpoint
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = ("few_shot", "gan", "generator", "hypercolumn", "segmenter", "shots",
          "supervised")


class State(struct.PyTreeNode):
  """All that training changes.

  Attributes:
    step: int32 scalar, finished updates.
    segmenter: parameters.
    optimizer: optax state.
  """
  step: jax.Array
  segmenter: Any
  optimizer: Any


def network(config) -> few_shot.FewShot:
  """The segmenter that `config.few_shot` and `config.hypercolumn` describe."""
  changes = {"resize": config.hypercolumn.resize} if (
      config.hypercolumn.resize) else {}
  return few_shot.make(
      config.few_shot.kind, config.data.num_classes,
      size=features.size(config), dtype=jnp.dtype(config.dtype), **changes)


def make(config, workdir) -> stage.Stage:
  """The stage that `config` describes."""
  source = shots_lib.source(config, workdir)
  generator = trained.module(config)
  module = network(config)
  names = features.names(config, generator)
  extract = features.extractor(config, generator, names)

  def load_frozen():
    trained_generator = trained.load(config, workdir, "stage 'segmenter'")
    shots = source.load(trained_generator)
    maps = features.stacked(
        jax.jit(extract), trained_generator.variables, shots.latents,
        shots.noise)
    return {"maps": maps, "label": shots.label, "image": shots.image}

  @jax.jit
  def logits(params, maps):
    return _logits(module, params, maps)

  def sample(state, frozen, key):
    del key
    colors = shots_lib.spec(config).colors
    predicted = [np.asarray(image_ops.to_label(logits(state.segmenter, maps)))
                 for maps in features.single(frozen["maps"])]
    painted = np.asarray(frozen["label"])
    rows = [np.asarray(frozen["image"]), image_ops.colorize(painted, colors),
            image_ops.colorize(np.concatenate(predicted), colors)]
    return {"shots": np.concatenate([grids.tile(r) for r in rows])}

  shapes = jax.eval_shape(
      generator.init, jax.random.key(0), jnp.zeros((1, generator.style_dim)))
  example = jax.eval_shape(
      extract, shapes,
      jnp.zeros((1, generator.num_ws, generator.style_dim)),
      tuple(jnp.zeros((1, h, w, 1)) for h, w in generator.noise_shapes))
  return build(config, module, example, source.count,
               load_frozen)._replace(sample=sample)


def build(config, module, example, count: int, load_frozen) -> stage.Stage:
  """The stage for any network and feature maps.

  Args:
    config: the experiment's; `few_shot`, `data.ignore_index` and `seed` are
      read.
    module: a `few_shot.FewShot`.
    example: maps of one image, or their shapes.
    count: how many labeled images there are.
    load_frozen: () -> {"maps": tuple of [count, h, w, C], "label":
      [count, S, S] class indices}.
  """
  c = config.few_shot
  rate = learning_rate(config, count)
  tx = optax.chain(optax.add_decayed_weights(c.weight_decay), optax.adam(rate))

  def init(key, frozen):
    del frozen
    zeros = jax.tree.map(lambda x: jnp.zeros((1, *x.shape[1:])), example)
    params = module.init(key, zeros)["params"]
    return State(jnp.zeros((), jnp.int32), params, tx.init(params))

  def train_step(state, frozen, batch, rngs, *, phase):
    del rngs, phase
    # The same image on every device.
    pick = lambda x: jax.lax.dynamic_index_in_dim(x, batch["index"][0])
    maps, label = jax.tree.map(pick, (frozen["maps"], frozen["label"]))

    def loss_fn(params):
      return segmentation_losses.cross_entropy(
          _logits(module, params, maps), label,
          ignore_index=config.data.ignore_index)

    loss, gradients = jax.value_and_grad(loss_fn)(state.segmenter)
    deltas, opt = tx.update(gradients, state.optimizer, state.segmenter)
    return State(state.step + 1, optax.apply_updates(state.segmenter, deltas),
                 opt), {"loss": loss, "learning_rate": rate(state.step)}

  def train_data(start):
    for step in itertools.count(start):
      epoch, index = divmod(step, count)
      order = np.random.default_rng([config.seed, epoch]).permutation(count)
      yield {"index": np.full(
          jax.local_device_count(), order[index], np.int32)}

  return stage.Stage(
      steps=c.epochs * count,
      load_frozen=load_frozen,
      init=init,
      phases=lambda step: ("step",),
      rngs=lambda key, phase: (),
      train_step=train_step,
      train_data=train_data)


def learning_rate(config, count: int):
  """The schedule of updates: a factor after every so many epochs."""
  c = config.few_shot
  start = c.learning_rate * c.rate_factors.get(c.kind, 1.0)
  return lambda step: start * c.decay ** (step // count // c.decay_epochs)


def load(config, workdir, needed_by: str):
  """The trained segmenter's parameters of a run."""
  module, generator = network(config), trained.module(config)
  extract = features.extractor(
      config, generator, features.names(config, generator))
  z = jnp.zeros((1, generator.style_dim))

  def init(key):
    variables = generator.init(key, z)
    latents = jnp.zeros((1, generator.num_ws, generator.style_dim))
    return module.init(key, extract(variables, latents, None))["params"]

  folder = workdir / "segmenter" / "ckpt"
  if not checkpoint.exists(folder):
    raise FileNotFoundError(
        f"{needed_by} needs the trained stage 'segmenter', but {folder} holds "
        "no checkpoint: train that stage first, in the same --workdir")
  return checkpoint.restore_subtree(
      folder, {"segmenter": jax.eval_shape(init, jax.random.key(0))}
  )["segmenter"]


def predictor(config, workdir):
  """predict(images, indices) -> {"inversion": {"logits", ...}} of a run.

  Images are inverted into the generator (`projection`, which keeps the latents
  in the run's folder); their features are segmented.
  """
  params = load(config, workdir, "labeling by inversion")
  project = projection.make(config, workdir)
  module = network(config)
  extract = features.extractor(
      config, project.generator.module,
      features.names(config, project.generator.module))

  @jax.jit
  def logits(params, variables, latents, noise):
    return _logits(module, params, extract(variables, latents, noise))

  def predict(images, indices):
    projected = project(images, indices)
    # One image at a time: hypercolumns are large.
    rows = [logits(params, project.generator.variables, latents, noise)
            for latents, noise in features.single(
                (projected.latents, projected.noise))]
    return {"inversion": {
        "logits": np.concatenate(jax.device_get(rows)),
        "reconstruction": projected.image}}

  return predict


def _logits(module, params, maps):
  return module.apply({"params": params}, maps)

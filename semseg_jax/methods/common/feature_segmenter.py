"""A segmenter of a generator's features, fitted to a few labeled images.

RepurposeGAN's (Tritrong et al., CVPR 2021) and, as the head on inverted labeled
images of DatasetGAN (Zhang et al., CVPR 2021) and EditGAN (Ling et al., NeurIPS
2021), SemanticGAN's `labels.head = "fitted"`. The generator is frozen; its maps
of the labeled images are computed once. One update takes one image.
"""

import itertools
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from semseg_jax.methods.common import data
from semseg_jax.methods.common import hypercolumns
from semseg_jax.methods.common import trained
from semseg_jax.models import few_shot
from semseg_jax.ops import segmentation_losses
from semseg_jax.training import stage


class State(struct.PyTreeNode):
  """All that training changes."""
  step: jax.Array  # int32 scalar, finished updates
  segmenter: Any  # parameters
  optimizer: Any  # optax state


def network(config) -> few_shot.FewShot:
  """The segmenter that `config.few_shot` and `config.hypercolumn` describe."""
  changes = {"resize": config.hypercolumn.resize} if (
      config.hypercolumn.resize) else {}
  return few_shot.make(
      config.few_shot.kind, config.data.num_classes,
      size=hypercolumns.size(config), dtype=jnp.dtype(config.dtype), **changes)


def example(config, generator):
  """Shapes of the maps of one image, as `build` and `load` take them."""
  extract = hypercolumns.extractor(
      config, generator, hypercolumns.names(config, generator))
  shapes = jax.eval_shape(
      generator.init, jax.random.key(0), jnp.zeros((1, generator.style_dim)))
  return jax.eval_shape(
      extract, shapes,
      jnp.zeros((1, generator.num_ws, generator.style_dim)),
      tuple(jnp.zeros((1, h, w, 1)) for h, w in generator.noise_shapes))


def map_shapes(config, generator, count: int):
  """Shapes of the maps of `count` images, as `build` learns from them."""
  return jax.tree.map(
      lambda x: jax.ShapeDtypeStruct((count, *x.shape[1:]), x.dtype),
      example(config, generator))


def build(config, module, example, count: int, load_frozen, *,
          heads: int = 1, steps: int = 0) -> stage.Stage:
  """The stage for any network and feature maps.

  Args:
    config: the experiment's; `few_shot`, `data.ignore_index` and `seed` are
      read.
    module: a `few_shot.FewShot`.
    example: maps of one image, or their shapes.
    count: how many labeled images there are.
    load_frozen: () -> {"maps": tuple of [count, h, w, C], "label":
      [count, S, S] class indices}.
    heads: segmenters trained side by side from other first parameters and with
      other noise; with more than one the parameters have them as first axis.
    steps: updates; 0: those of `config.few_shot`.

  Raises ValueError: there is no update.
  """
  c = config.few_shot
  steps = steps or c.get("steps", 0) or c.epochs * count
  if not steps:
    raise ValueError("config.few_shot.epochs is 0: give 1 or more")
  rate = learning_rate(config, count)
  noise = c.get("feature_noise", 0.0)
  tx = optax.chain(optax.add_decayed_weights(c.weight_decay), optax.adam(rate))

  def init(key, frozen):
    del frozen
    params = _first(module, example, heads, key)
    return State(jnp.zeros((), jnp.int32), params, tx.init(params))

  def train_step(state, frozen, batch, rngs, *, phase):
    del phase
    pick = lambda x: jax.lax.dynamic_index_in_dim(x, batch["index"])
    maps, label = jax.tree.map(pick, (frozen["maps"], frozen["label"]))

    def loss_fn(params, key):
      seen = perturbed(key, maps, noise) if noise else maps
      return segmentation_losses.cross_entropy(
          module.apply({"params": params}, seen), label,
          ignore_index=data.ignore_index(config))

    gradient = jax.value_and_grad(loss_fn)
    if heads > 1:
      keys = jax.random.split(rngs, heads) if noise else None
      loss, gradients = jax.vmap(gradient, (0, 0 if noise else None))(
          state.segmenter, keys)
      loss = loss.mean()
    else:
      loss, gradients = gradient(state.segmenter, rngs)
    deltas, opt = tx.update(gradients, state.optimizer, state.segmenter)
    return State(state.step + 1, optax.apply_updates(state.segmenter, deltas),
                 opt), {"loss": loss, "learning_rate": rate(state.step)}

  return stage.Stage(
      steps=steps, load_frozen=load_frozen,
      init=init, phases=lambda step: ("step",),
      rngs=lambda key, phase: key if noise else (), train_step=train_step,
      train_data=lambda start: indices(config.seed, count, start))


def _first(module, example, heads: int, key):
  """The parameters before any update; see `build`."""
  zeros = jax.tree.map(lambda x: jnp.zeros((1, *x.shape[1:])), example)
  first = lambda key: module.init(key, zeros)["params"]
  return first(key) if heads == 1 else jax.vmap(first)(
      jax.random.split(key, heads))


def indices(seed: int, count: int, start: int):
  """Batches {"index": int32 []} of one image each, from step `start` on.

  Every epoch has all of `count` images in a new order.
  """
  for step in itertools.count(start):
    epoch, position = divmod(step, count)
    order = np.random.default_rng([seed, epoch]).permutation(count)
    yield {"index": np.int32(order[position])}  # the same on every device


def perturbed(key, maps, share: float):
  """Maps with normal noise of `share` of each map's standard deviation."""
  keys = jax.random.split(key, len(maps))
  return tuple(
      m + share * m.std() * jax.random.normal(k, m.shape, m.dtype)
      for k, m in zip(keys, maps, strict=True))


def learning_rate(config, count: int):
  """The schedule of updates: a factor after every so many epochs."""
  c = config.few_shot
  start = c.learning_rate * c.rate_factors.get(c.kind, 1.0)
  return lambda step: start * c.decay ** (step // count // c.decay_epochs)


def load(config, workdir, generator, stage_name: str, needed_by: str, *,
         heads: int = 1):
  """The trained segmenter's parameters of a run's stage.

  Args:
    heads: see `build`.
    others: the config, the run's folder, its generator, the stage, who asks.

  Raises FileNotFoundError: the stage has no checkpoint.
  """
  maps = example(config, generator)
  params = jax.eval_shape(
      lambda key: _first(network(config), maps, heads, key), jax.random.key(0))
  return trained.restored(
      workdir, stage_name, {"segmenter": params}, needed_by)["segmenter"]


def labeler(config, generator, *, heads: int = 1):
  """labels_of(params, features) -> logits, from all of a generator's maps.

  Logits of several heads are logarithms of their mean probability.
  """
  logits_of = head_logits(config, generator, heads=heads)
  return lambda params, features: mean_logits(logits_of(params, features))


def head_logits(config, generator, *, heads: int = 1):
  """logits_of(params, features) -> [heads, N, S, S, K], of each head."""
  module = network(config)
  names = hypercolumns.names(config, generator)

  def logits_of(params, features):
    maps = tuple(features[n] for n in names)
    head = lambda params: module.apply({"params": params}, maps)
    if heads == 1:
      return head(params)[None]
    # One after the other: side by side they take as many times the memory.
    return jax.lax.map(head, params)

  return logits_of


def mean_logits(logits):
  """Logits [N, S, S, K] of the mean probability of heads [heads, ...]."""
  if len(logits) == 1:
    return logits[0]
  if logits.shape[-1] == 1:
    return jax.scipy.special.logit(jnp.clip(
        jax.nn.sigmoid(logits).mean(0), 1e-6, 1 - 1e-6))
  return jax.nn.logsumexp(jax.nn.log_softmax(logits), 0) - jnp.log(len(logits))


def disagreement(logits):
  """Jensen-Shannon divergence [N, S, S] of heads' labels, in nats.

  H(mean_h p_h) - mean_h H(p_h), the uncertainty of Kuo et al. (2018) that
  DatasetGAN (Zhang et al., CVPR 2021, section 3.2) filters samples by.

  Args:
    logits: [heads, N, S, S, K].
  """
  if logits.shape[-1] == 1:
    logits = jnp.concatenate([logits, jnp.zeros_like(logits)], -1)
  p = jax.nn.softmax(logits)
  entropy = lambda p: -jax.scipy.special.xlogy(p, p).sum(-1)
  return entropy(p.mean(0)) - entropy(p).mean(0)

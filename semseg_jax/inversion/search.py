"""The search itself: pure functions from a chunk's task and state to the next.

By default SemanticGAN's loss and schedule: Adam on latents and noise maps, with
StyleGAN2's noise regularizer (appendix D). Frozen variables are always an
argument.
"""

import functools
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from semseg_jax.ops import image_ops
from semseg_jax.ops import noise as noise_ops

_ADAM = optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8)


class Task(struct.PyTreeNode):
  """What stays the same during a chunk's search (leading axis: images)."""
  target: jax.Array  # [N, S, S, C], reduced to the loss's size.
  features: Any  # Perceptual features of `target`.
  start: jax.Array  # [N, L or 1, D]
  indices: jax.Array  # [N], each image's number, for its own noise.
  key: jax.Array | None  # Of fresh noise, where there is any.


class State(struct.PyTreeNode):
  """The search after `step` steps (leading axis: images)."""
  step: jax.Array
  latent: jax.Array  # [N, L or 1, D]
  noise: tuple[jax.Array, ...]
  optimizer: optax.OptState
  best: tuple[jax.Array, jax.Array] | None  # Losses [N] and their latents.


def begin(networks, options, sharding, frozen, targets, indices, noise, key,
           mean):
  """Start of a chunk: its `Task` and `State`."""
  count = targets.shape[0]
  targets = targets.astype(jnp.float32)
  if options.start == "encoder":
    start = networks.encode(frozen, targets).astype(jnp.float32)
  else:
    layers = networks.num_ws if options.space == "w+" else 1
    start = jnp.broadcast_to(mean, (count, layers, mean.shape[-1]))
  if options.start_noise:
    start = start + options.start_noise * _sample_latents(
        key, indices, start.shape[1:])
  if noise is None:
    noise = _sample_noise(key, indices, networks.noise_shapes)
  else:
    # A copy: the state is donated, and the caller keeps what it gave.
    noise = jax.tree.map(jnp.copy, noise)
  target = image_ops.area_reduce(targets, options.loss_size)
  task = Task(target, networks.features(frozen, target), start, indices,
              key if options.fresh_noise else None)
  state = State(jnp.int32(0), start, noise, None, None)
  state = state.replace(
      optimizer=(options.optimizer or _ADAM).init(_searched(options, state)))
  if options.best_every:
    # Its own buffer: the state is donated, so no leaf may stand twice.
    state = state.replace(
        best=(jnp.full(count, jnp.inf, jnp.float32), jnp.copy(start)))
  return _constrained((task, state), sharding)


def advance(networks, options, rates, sharding, frozen, task, state, count):
  """`count` steps; returns the state and {term: [segment, N]} of losses."""
  step = functools.partial(_step, networks, options, rates, frozen, task)
  if options.segment == 1:
    state, terms = step(state)
    return _constrained(state, sharding), jax.tree.map(lambda x: x[None], terms)

  # The count is traced, so that cuts for snapshots and a last, shorter segment
  # share one program.
  def body(i, carry):
    state, logs = carry
    state, terms = step(state)
    return state, jax.tree.map(lambda log, x: log.at[i].set(x), logs, terms)

  shapes = jax.eval_shape(step, state)[1]
  logs = jax.tree.map(
      lambda s: jnp.zeros((options.segment, *s.shape), s.dtype), shapes)
  state, logs = jax.lax.fori_loop(0, count, body, (state, logs))
  return _constrained(state, sharding), logs


def _step(networks, options, rates, frozen, task, state):
  """One step on every image of the chunk; the losses before it."""
  if options.fresh_noise:
    state = state.replace(noise=_sample_noise(
        jax.random.fold_in(task.key, state.step), task.indices,
        networks.noise_shapes))

  def loss(searched):
    terms = _losses(networks, options, frozen, task, state.replace(**searched))
    # The sum over images: no term mixes them and Adam is elementwise, so
    # every image gets its own gradient. Nothing is vmapped, because mapped
    # convolutions with per-image styles would turn into grouped ones.
    return jnp.sum(terms["total"]), terms

  searched = _searched(options, state)
  grads, terms = jax.grad(loss, has_aux=True)(searched)
  updates, optimizer = (options.optimizer or _ADAM).update(
      grads, state.optimizer, searched)
  # An optimizer of the caller's has its own rate and sign.
  rate = 1.0 if options.optimizer else -jnp.asarray(rates)[state.step]
  searched = jax.tree.map(lambda x, u: x + rate * u, searched, updates)
  if options.optimize_noise:
    # Adam's moments are left as they are, as in the official code.
    searched["noise"] = noise_ops.normalise_noise(searched["noise"])
  state = state.replace(step=state.step + 1, optimizer=optimizer, **searched)
  return _with_best(options, state, terms["total"]), terms


def _with_best(options, state, losses):
  """The state with the best latents so far, updated at the steps due."""
  if not options.best_every:
    return state
  lowest, latent = state.best
  better = (losses < lowest) & (state.step % options.best_every == 0)
  return state.replace(best=(
      jnp.where(better, losses, lowest),
      jnp.where(better[:, None, None], state.latent, latent)))


def _losses(networks, options, frozen, task, state):
  """Unweighted terms and their weighted "total", each [N]."""
  weights = options.weights
  latents = jnp.broadcast_to(
      state.latent, (len(state.latent), networks.num_ws,
                     state.latent.shape[-1]))
  image, _ = networks.generate(frozen, latents, state.noise)
  image = image.astype(jnp.float32)
  reduced = image_ops.area_reduce(image, options.loss_size)
  terms = dict(
      perceptual=networks.distance(
          frozen, networks.features(frozen, reduced), task.features),
      mse=_mse(reduced, task.target),
      start=_mse(state.latent, task.start))
  if options.optimize_noise:
    terms["noise"] = noise_ops.noise_regulariser(state.noise)
  if weights.encoder:
    again = networks.encode(frozen, jax.lax.stop_gradient(image))
    terms["encoder"] = _mse(state.latent, jax.lax.stop_gradient(again))
  total = sum(getattr(weights, name) * term for name, term in terms.items())
  return dict(terms, total=total)


def _searched(options, state):
  """The part of the state that the optimizer moves."""
  names = ("latent", "noise") if options.optimize_noise else ("latent",)
  return {name: getattr(state, name) for name in names}


def _sample_noise(key, indices, shapes):
  """Standard normal maps, each image's from its own key."""
  def sample(index):
    keys = jax.random.split(jax.random.fold_in(key, index), len(shapes))
    return tuple(
        jax.random.normal(k, (*shape, 1))
        for k, shape in zip(keys, shapes, strict=True))
  return jax.vmap(sample)(indices)


def _sample_latents(key, indices, shape):
  """Standard normal latents, each image's from its own key."""
  # Apart from the keys of the noise maps, which are split off `index` itself.
  key = jax.random.fold_in(key, np.uint32(2**32 - 1))
  return jax.vmap(lambda index: jax.random.normal(
      jax.random.fold_in(key, index), shape))(indices)


def _mse(a, b):
  """Mean squared difference of each image, [N]."""
  return jnp.mean(jnp.square(a - b), axis=tuple(range(1, a.ndim)))


def _constrained(tree, sharding):
  """Keeps per-image arrays where the images lie."""
  if sharding is None:
    return tree
  return jax.tree.map(
      lambda x: jax.lax.with_sharding_constraint(x, sharding) if x.ndim else x,
      tree)

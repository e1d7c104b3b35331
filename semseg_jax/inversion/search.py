"""The search itself: pure functions from a chunk's task and state to the next.

SemanticGAN's loss and schedule; Adam on codes and noise maps, with StyleGAN2's
noise regulariser (appendix D). Frozen variables are always an argument.
"""

import functools
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import optax

from semseg_jax.ops import images
from semseg_jax.ops import noise as noise_ops

_ADAM = optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8)


class Task(struct.PyTreeNode):
  """What stays the same during a chunk's search (leading axis: pictures)."""
  target: jax.Array  # [N, S, S, C], reduced to the loss's size.
  features: Any  # Perceptual features of `target`.
  start: jax.Array  # [N, L or 1, D]


class State(struct.PyTreeNode):
  """The search after `step` steps (leading axis: pictures)."""
  step: jax.Array
  latent: jax.Array  # [N, L or 1, D]
  noise: tuple[jax.Array, ...]
  adam: optax.OptState


def begin(networks, options, sharding, frozen, targets, indices, noise, key,
           mean):
  """Start of a chunk: its `Task` and `State`."""
  count = targets.shape[0]
  targets = targets.astype(jnp.float32)
  if options.start == "encoder":
    start = networks.encode(frozen, targets).astype(jnp.float32)
  else:
    layers = networks.num_codes if options.space == "w+" else 1
    start = jnp.broadcast_to(mean, (count, layers, mean.shape[-1]))
  if noise is None:
    noise = _draw_noise(key, indices, networks.noise_shapes)
  else:
    # A copy: the state is donated, and the caller keeps what it gave.
    noise = jax.tree.map(jnp.copy, noise)
  target = images.area_reduce(targets, options.loss_size)
  task = Task(target, networks.features(frozen, target), start)
  state = State(jnp.int32(0), start, noise, None)
  state = state.replace(adam=_ADAM.init(_searched(options, state)))
  return _place((task, state), sharding)


def advance(networks, options, rates, sharding, frozen, task, state, count):
  """`count` steps; returns the state and {term: [segment, N]} of losses."""
  step = functools.partial(_step, networks, options, rates, frozen, task)
  if options.segment == 1:
    state, terms = step(state)
    return _place(state, sharding), jax.tree.map(lambda x: x[None], terms)

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
  return _place(state, sharding), logs


def _step(networks, options, rates, frozen, task, state):
  """One Adam step on every picture of the chunk; the losses before it."""
  def loss(searched):
    terms = _losses(networks, options, frozen, task, state.replace(**searched))
    # The sum over pictures: no term mixes them and Adam is elementwise, so
    # every picture gets its own gradient. Nothing is vmapped, because mapped
    # convolutions with per-picture styles would turn into grouped ones.
    return jnp.sum(terms["total"]), terms

  searched = _searched(options, state)
  grads, terms = jax.grad(loss, has_aux=True)(searched)
  updates, adam = _ADAM.update(grads, state.adam)
  rate = jnp.asarray(rates)[state.step]
  searched = jax.tree.map(lambda x, u: x - rate * u, searched, updates)
  if options.optimize_noise:
    # Adam's moments are left as they are, like the release does.
    searched["noise"] = noise_ops.normalise_noise(searched["noise"])
  return state.replace(step=state.step + 1, adam=adam, **searched), terms


def _losses(networks, options, frozen, task, state):
  """Unweighted terms and their weighted "total", each [N]."""
  weights = options.weights
  codes = jnp.broadcast_to(
      state.latent, (len(state.latent), networks.num_codes,
                     state.latent.shape[-1]))
  image, _ = networks.generate(frozen, codes, state.noise)
  image = image.astype(jnp.float32)
  reduced = images.area_reduce(image, options.loss_size)
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
  """The part of the state that the optimiser moves."""
  names = ("latent", "noise") if options.optimize_noise else ("latent",)
  return {name: getattr(state, name) for name in names}


def _draw_noise(key, indices, shapes):
  """Standard normal maps, each picture's from its own key."""
  def draw(index):
    keys = jax.random.split(jax.random.fold_in(key, index), len(shapes))
    return tuple(
        jax.random.normal(k, (*shape, 1))
        for k, shape in zip(keys, shapes, strict=True))
  return jax.vmap(draw)(indices)


def _mse(a, b):
  """Mean squared difference of each picture, [N]."""
  return jnp.mean(jnp.square(a - b), axis=tuple(range(1, a.ndim)))


def _place(tree, sharding):
  """Keeps per-picture arrays where the pictures lie."""
  if sharding is None:
    return tree
  return jax.tree.map(
      lambda x: jax.lax.with_sharding_constraint(x, sharding) if x.ndim else x,
      tree)

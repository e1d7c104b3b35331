"""L-BFGS for every image of a chunk on its own, without a line search.

Nocedal & Wright, "Numerical Optimization" (2006), algorithm 7.4. Each step
evaluates loss and gradient once, as Adam's do. A step that has made a
image's loss larger is taken back and a quarter of it tried instead; what it
has shown of the curvature is remembered.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax


class State(NamedTuple):
  """The search after its last update (leading axis: images; D values each).

  Attributes:
    point, gradient: [N, D], the best so far; value: [N], its loss.
    steps, changes: [N, memory, D], of the point and of the gradient.
    scale: [N, leaves], of each leaf's inverse curvature; 0 before the first.
    length: [N], share of a whole step that is tried.
  """
  point: jax.Array
  gradient: jax.Array
  value: jax.Array
  steps: jax.Array
  changes: jax.Array
  scale: jax.Array
  length: jax.Array


def lbfgs(
    rate: float = 0.05, most: float = 0.2, memory: int = 8
) -> optax.GradientTransformationExtraArgs:
  """The optimiser, for `Options.optimizer`.

  Its `update` needs `value`, the losses [N], beside gradients and parameters;
  leaves are [N, ...]. The parameters after it are the next point that is tried:
  the last ones of a search may be worse than those before. Losses have to be
  those of the same function at every step: no fresh noise.

  Args:
    rate: root mean square of the first step in each leaf.
    most: of any step, in the leaf where it is largest.
    memory: steps whose curvature is remembered.
  """
  def init(params):
    leaves = jax.tree.leaves(params)
    count = len(leaves[0])
    point = _join(leaves)
    old = jnp.zeros((count, memory, point.shape[1]))
    return State(
        point, jnp.zeros_like(point), jnp.full(count, jnp.inf), old,
        jnp.copy(old), jnp.zeros((count, len(leaves))), jnp.ones(count))

  def update(grads, state, params, *, value, **others):
    del others
    leaves, tree = jax.tree.flatten(params)
    point, gradient = _join(leaves), _join(jax.tree.leaves(grads))
    first = jnp.isinf(state.value)
    better = value <= state.value  # Not a number: is not.
    step, change = point - state.point, gradient - state.gradient
    curved = ~first & jnp.isfinite(value) & (
        _dot(step, change) > 1e-8 * jnp.sqrt(
            _dot(step, step) * _dot(change, change)))
    push = lambda old, new: _where(
        curved, jnp.concatenate([old[:, 1:], new[:, None]], 1), old)
    newest = _by_leaf(step * change, leaves) / jnp.maximum(
        _by_leaf(change * change, leaves), 1e-30)
    scale = jnp.where(curved[:, None] & (newest > 0), newest, state.scale)
    rms = lambda x: jnp.sqrt(_by_leaf(x * x, leaves) / _sizes(leaves))
    scale = _where(first, rate / jnp.maximum(rms(gradient), 1e-30), scale)
    length = jnp.where(
        better, jnp.minimum(2 * state.length, 1.0), state.length / 4)
    state = State(
        _where(better, point, state.point),
        _where(better, gradient, state.gradient),
        jnp.where(better, value, state.value),
        push(state.steps, step), push(state.changes, change), scale, length)
    direction = -_inverse_hessian(state, leaves)
    largest = jnp.max(rms(direction), axis=1)
    length = jnp.minimum(length, most / jnp.maximum(largest, 1e-30))
    tried = state.point + length[:, None] * direction
    return jax.tree.unflatten(tree, _split(tried - point, leaves)), state

  return optax.GradientTransformationExtraArgs(init, update)


def _inverse_hessian(state, leaves):
  """Its product with the gradient, [N, D]."""
  direction = state.gradient
  memory = state.steps.shape[1]
  products = jnp.sum(state.steps * state.changes, -1)
  # Of steps that have not been taken yet: 0, which leaves them out.
  inverse = jnp.where(products > 0, 1 / jnp.where(products > 0, products, 1), 0)
  shares = {}
  for i in reversed(range(memory)):
    shares[i] = inverse[:, i] * _dot(state.steps[:, i], direction)
    direction = direction - shares[i][:, None] * state.changes[:, i]
  direction = direction * jnp.concatenate([
      jnp.broadcast_to(state.scale[:, i:i + 1], (len(x), x[0].size))
      for i, x in enumerate(leaves)], 1)
  for i in range(memory):
    back = inverse[:, i] * _dot(state.changes[:, i], direction)
    direction = direction + (shares[i] - back)[:, None] * state.steps[:, i]
  return direction


def _join(leaves):
  """Leaves [N, ...] as one array [N, D]."""
  return jnp.concatenate([x.reshape(len(x), -1) for x in leaves], 1)


def _split(joined, leaves):
  """`joined` as arrays like `leaves`."""
  ends = [sum(x[0].size for x in leaves[:i + 1]) for i in range(len(leaves))]
  return [part.reshape(x.shape) for part, x in zip(
      jnp.split(joined, ends[:-1], axis=1), leaves, strict=True)]


def _by_leaf(joined, leaves):
  """Sums over each leaf, [N, leaves]."""
  return jnp.stack([x.reshape(len(x), -1).sum(1)
                    for x in _split(joined, leaves)], 1)


def _sizes(leaves):
  return jnp.array([x[0].size for x in leaves], jnp.float32)


def _dot(a, b):
  return jnp.sum(a * b, -1)


def _where(condition, a, b):
  """By image."""
  return jnp.where(condition.reshape(-1, *[1] * (a.ndim - 1)), a, b)

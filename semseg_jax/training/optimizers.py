"""Optimizers: Ranger, SGD by groups, Adam under lazy regularization, clipping.

Ranger is rectified Adam (Liu et al., "On the Variance of the Adaptive Learning
Rate and Beyond") with gradient centralisation (Yong et al.) inside Lookahead
(Zhang et al., "Lookahead Optimizer: k steps forward, 1 step back"); the lazy
rescaling is StyleGAN2's (Karras et al. 2020, appendix B).
"""

import math
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax


class RangerState(NamedTuple):
  """State of `ranger`; trees have the shapes of the parameters."""
  count: jax.Array  # int32 scalar, steps done
  mu: Any  # first moment
  nu: Any  # second moment
  slow: Any  # Lookahead's slow weights


def ranger(learning_rate: float | optax.Schedule, *,
           betas: tuple[float, float] = (0.95, 0.999), eps: float = 1e-5,
           lookahead_steps: int = 6, lookahead_rate: float = 0.5,
           threshold: float = 5.0, weight_decay: float = 0.0,
           centralize: bool = True, centralize_first: bool = True,
           convolutions_only: bool = False, output_axis: int = -1
           ) -> optax.GradientTransformation:
  """Rectified Adam + gradient centralisation + Lookahead.

  The learning rate may be a number, a schedule of the steps done so far, or a
  traced scalar (`optax.inject_hyperparams` of a function of it alone).

  Args:
    learning_rate: see above.
    betas: decay of the first and second moment.
    eps: added to the root of the second moment, which has no bias correction
      other than the rectification.
    lookahead_steps: every this many steps the weights move to the slow ones.
    lookahead_rate: how far the slow weights then follow, 0..1.
    threshold: length of the approximated average above which the adaptive
      denominator is used; plain momentum below. At least 4.
    weight_decay: times the parameter, added to the direction of the step; so
      the rectification scales it too.
    centralize: subtract from the gradient of every tensor with more than one
      axis its mean over all axes but the output axis.
    centralize_first: whether the gradient is centralised, before the moments,
      or the direction of the step after them (and after the decay).
    convolutions_only: centralise tensors with more than three axes alone.
    output_axis: the output axis; -1 in Flax layouts (HWIO, [in, out]).

  Returns a transformation whose `update` needs `params`.
  """
  if threshold < 4:
    raise ValueError(f"threshold must be at least 4, got {threshold}: the "
                     "rectification is undefined below")
  b1, b2 = betas

  def init(params):
    zeros = lambda: jax.tree.map(jnp.zeros_like, params)
    # Copied, so that donating the parameters cannot donate one buffer twice.
    slow = jax.tree.map(lambda p: jnp.array(p, copy=True), params)
    return RangerState(jnp.zeros((), jnp.int32), zeros(), zeros(), slow)

  def update(updates, state, params=None):
    if params is None:
      raise ValueError("ranger needs the parameters: update(grads, state, "
                       "params)")
    lr = learning_rate(state.count) if callable(
        learning_rate) else learning_rate
    count = state.count + 1
    t = count.astype(jnp.float32)
    least = 4 if convolutions_only else 2
    centered = lambda x: _centralize(x, output_axis, least)
    grads = updates
    if centralize and centralize_first:
      grads = jax.tree.map(centered, grads)
    mu = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mu, grads)
    nu = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, state.nu, grads)

    length = average_length(t, b2)
    adaptive = length > threshold
    limit = (1 + b2) / (1 - b2)
    safe = jnp.where(adaptive, length, 5.0)  # no negative root in the unused
    factor = jnp.sqrt((safe - 4) / (limit - 4) * (safe - 2) / safe
                      * (limit / (limit - 2)) * -jnp.expm1(t * math.log(b2)))
    size = lr / (1 - b1 ** t) * jnp.where(adaptive, factor, 1.0)
    sync = count % lookahead_steps == 0
    first = state.count == 0

    def direction(p, m, v):
      step = m / jnp.where(adaptive, jnp.sqrt(v) + eps, 1.0) + weight_decay * p
      return centered(step) if centralize and not centralize_first else step

    directions = jax.tree.map(direction, params, mu, nu)
    # In the first steps, without the denominator, the official code's direction
    # is the first moment itself: what is added to it stays.
    mu = jax.tree.map(lambda m, d: jnp.where(adaptive, m, d), mu, directions)
    fast = jax.tree.map(lambda p, d: p - size * d, params, directions)
    # The slow weights start where this optimizer first saw the parameters:
    # another optimizer may have moved them since `init`.
    slow = jax.tree.map(lambda p, s: jnp.where(first, p, s), params,
                        state.slow)
    slow = jax.tree.map(
        lambda s, f: jnp.where(sync, s + lookahead_rate * (f - s), s), slow,
        fast)
    deltas = jax.tree.map(lambda f, s, p: jnp.where(sync, s, f) - p, fast,
                          slow, params)
    return deltas, RangerState(count, mu, nu, slow)

  return optax.GradientTransformation(init, update)


def lazy_adam(learning_rate: float | optax.Schedule, betas: tuple[float, float],
              ratio: float) -> optax.GradientTransformation:
  """Adam for a network regularized lazily every k steps; ratio = k / (k + 1).

  Learning rate times `ratio` and betas to its power make k + 1 updates in k
  steps act like k (StyleGAN2, appendix B).
  """
  if not 0 < ratio <= 1:
    raise ValueError(f"ratio must lie in (0, 1], got {ratio}")
  if callable(learning_rate):
    scaled = lambda count: learning_rate(count) * ratio
  else:
    scaled = learning_rate * ratio
  return optax.adam(scaled, b1=betas[0] ** ratio, b2=betas[1] ** ratio,
                    eps=1e-8)


class SgdState(NamedTuple):
  """State of `sgd`."""
  count: jax.Array  # int32 scalar, steps done
  velocity: Any  # of the parameters' shapes


def sgd(learning_rate: float | optax.Schedule, *, momentum: float = 0.9,
        nesterov: bool = False, weight_decay: float = 0.0, factors: Any = None,
        repeats: Any = None, fresh_gradient: bool = False
        ) -> optax.GradientTransformation:
  """SGD with momentum and L2 decay, PyTorch's order, rates by parameter.

  Each update: g += weight_decay * p; v = momentum * v + g; p -= rate * v (with
  Nesterov's momentum p -= rate * (g + momentum * v)).

  Args:
    learning_rate: a number or a schedule of the steps done so far.
    momentum: of the velocity v, which starts at the first gradient.
    nesterov: see above.
    weight_decay: added to the gradient, times the parameter.
    factors: tree of numbers like the parameters, or a function that gives it
      for them: the rate's factor; 0 leaves a parameter as it is. None: 1.
    repeats: the same of counts: how often a parameter stands in the optimizer's
      list. Old PyTorch (0.4) updates it that often, decaying into the same
      gradient again (s4GAN's official code trains so). None: 1.
    fresh_gradient: with `repeats`, as recent PyTorch: each time decay is added
      to the gradient as it was, and in the first step every time starts its own
      velocity, of which the last remains.

  Returns a transformation whose `update` needs `params`.
  """
  tree = lambda given, params: (
      given(params) if callable(given) else given
      if given is not None else jax.tree.map(lambda _: 1, params))

  def init(params):
    return SgdState(jnp.zeros((), jnp.int32),
                    jax.tree.map(jnp.zeros_like, params))

  def update(updates, state, params=None):
    if params is None:
      raise ValueError("sgd needs the parameters: update(grads, state, params)")
    lr = learning_rate(state.count) if callable(
        learning_rate) else learning_rate
    first = state.count == 0

    def moved(p, g, v, factor, repeat):
      """(change of p, new velocity)."""
      if factor == 0:
        return jnp.zeros_like(p), v
      start, gradient = p, g
      for _ in range(repeat):
        gradient = (g if fresh_gradient else gradient) + weight_decay * p
        before = jnp.where(first, 0.0, v) if fresh_gradient else v
        v = momentum * before + gradient
        step = gradient + momentum * v if nesterov else v
        p = p - lr * factor * step
      return p - start, v

    pairs = jax.tree.map(
        moved, params, updates, state.velocity, tree(factors, params),
        tree(repeats, params))
    deltas, velocity = jax.tree.transpose(
        jax.tree.structure(params), jax.tree.structure((0, 0)), pairs)
    return deltas, SgdState(state.count + 1, velocity)

  return optax.GradientTransformation(init, update)


def clip_by_global_norm(grads, max_norm: float):
  """Scales `grads` to a global L2 norm of at most `max_norm`.

  Returns (grads, norm before clipping). The factor is
  min(1, max_norm / (norm + 1e-6)).
  """
  norm = optax.tree.norm(grads)
  factor = jnp.minimum(1.0, max_norm / (norm + 1e-6))
  return jax.tree.map(lambda g: g * factor, grads), norm


def _centralize(grad, output_axis: int, least_axes: int):
  if grad.ndim < least_axes:
    return grad
  keep = output_axis % grad.ndim
  axes = tuple(a for a in range(grad.ndim) if a != keep)
  return grad - jnp.mean(grad, axes, keepdims=True)


def average_length(t, b2: float):
  """RAdam's rho_t = rho_inf - 2 t b2^t / (1 - b2^t), exact in float32.

  As written the difference cancels all but a few digits (1999 - 1994 at
  b2 = 0.999). With r = -log b2 and x = r t it equals
  [coth(r/2) - 2/r] + (2/r) (1 - x / (e^x - 1)), where the bracket is a
  constant and the last term has a short series at small x.
  """
  r = -math.log(b2)
  x = r * t
  x2 = x * x
  small = x / 2 - x2 / 12 * (1 - x2 / 60 * (1 - x2 / 42 * (1 - x2 / 40)))
  large = 1 - x / jnp.expm1(jnp.maximum(x, 1.0))
  return (1 / math.tanh(r / 2) - 2 / r) + 2 / r * jnp.where(x < 1, small, large)

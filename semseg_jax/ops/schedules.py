"""Learning-rate schedules (SemanticGAN, sections on the encoder and inversion).

Each works on Python and NumPy numbers and arrays, in their precision, and on
traced JAX values.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from semseg_jax.ops import image_ops


def ramp(step, total, learning_rate=1.0, rampdown=0.25, rampup=0.05):
  """Rate of step `step` of `total`: linear up, constant, cosine down.

  With t = step / total: learning_rate * (1 - cos(pi min(1, (1 - t) /
  rampdown))) / 2 * min(1, t / rampup); 0 at both ends (StyleGAN2, appendix on
  projection; used by SemanticGAN's inversion).
  """
  xp = image_ops.namespace(step, total, learning_rate)
  t = step / total
  down = xp.minimum(1.0, (1.0 - t) / rampdown)
  down = 0.5 - 0.5 * xp.cos(down * math.pi)
  return learning_rate * down * xp.minimum(1.0, t / rampup)


def cosine_window(learning_rate, final_learning_rate, start, end):
  """Schedule: constant, then half a cosine from step `start` to step `end`.

  As in SemanticGAN's official code the value of the last step in the window,
  end - 1, stays afterwards, so `final_learning_rate` is approached and not
  reached. (It sets the rate at the end of an iteration, so iteration i runs
  with the value of step i - 1.)

  Returns step -> learning rate.
  """
  if not start < end:
    raise ValueError(f"the window is empty: start {start}, end {end}")
  span = learning_rate - final_learning_rate

  def schedule(step):
    xp = image_ops.namespace(step)
    inside = xp.clip(step, start, end - 1) - start
    return final_learning_rate + 0.5 * span * (
        1 + xp.cos(math.pi * inside / (end - start)))

  return schedule


def burn_in_ramp(burn_in, slope):
  """Schedule: 0 up to `burn_in`, then `slope` a unit, at most 1.

  (MLMT's consistency weight over epochs: 10 and 2 / 100.)
  """

  def schedule(epoch):
    xp = image_ops.namespace(epoch)
    return xp.clip(slope * (epoch - burn_in), 0.0, 1.0)

  return schedule


def sigmoid_ramp(length):
  """Schedule: exp(-5 (1 - step / length)^2) up to `length`, then 1.

  (Tarvainen and Valpola 2017, after Laine and Aila: consistency weights.)
  """

  def schedule(step):
    xp = image_ops.namespace(step)
    share = xp.minimum(1.0, step / length if length else step + 1.0)
    return xp.exp(-5.0 * xp.square(1.0 - share))

  return schedule


def ema_decay(step, most):
  """min(1 - 1 / (step + 1), most): the average of all, then a moving one.

  `step` counts finished updates (Tarvainen and Valpola 2017).
  """
  return image_ops.namespace(step).minimum(1.0 - 1.0 / (step + 1), most)


class Plateau(NamedTuple):
  """State of `plateau`: scalars best loss, epochs without a better one, rate.
  """
  best: jax.Array
  waited: jax.Array
  rate: jax.Array


def plateau_start(learning_rate: float) -> Plateau:
  """The state before the first epoch."""
  # Not infinity: states are checked to be finite before they are saved.
  return Plateau(jnp.float32(jnp.finfo(jnp.float32).max), jnp.int32(0),
                 jnp.float32(learning_rate))


def plateau(state: Plateau, loss, *, patience: int, factor: float,
            floor: float) -> Plateau:
  """The state after an epoch whose validation loss is `loss`.

  As PyTorch's ReduceLROnPlateau: better means below best * (1 - 1e-4);
  after more than `patience` epochs without, the rate falls by `factor`, not
  below `floor`, and the count starts again.
  """
  better = loss < state.best * (1 - 1e-4)
  waited = jnp.where(better, 0, state.waited + 1)
  drop = waited > patience
  return Plateau(
      best=jnp.where(better, loss, state.best).astype(jnp.float32),
      waited=jnp.where(drop, 0, waited).astype(jnp.int32),
      rate=jnp.where(drop, jnp.maximum(state.rate * factor, floor),
                     state.rate))

"""A small linear stage for testing the loop; also a program, for killing it.

python toy.py WORKDIR STEPS SECONDS_PER_STEP
"""

import json
import sys
import time

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from semseg_jax.training import loop
from semseg_jax.training import optimizers
from semseg_jax.training import stage as stage_lib


class State(struct.PyTreeNode):
  step: jax.Array
  params: dict
  opt_state: tuple
  frozen_copy: jax.Array


def make(steps=12, *, width=3, batch_size=8, pause=0.0, nan_at=None,
         bad_state_at=None, validate=None, pictures=True):
  """Least squares with noise on the inputs; phase "extra" every 4 steps."""
  tx = optimizers.ranger(0.1)

  def init(key, frozen):
    params = {"w": jax.random.normal(key, (4, width)), "b": jnp.zeros(width)}
    return State(jnp.zeros((), jnp.int32), params, tx.init(params),
                 frozen["target"])

  def train_step(state, frozen, batch, draws, *, phase):
    def loss_fn(params):
      x = batch["x"] + draws
      error = x @ params["w"] + params["b"] - x @ frozen["target"][:, :width]
      return jnp.mean(error ** 2)

    if phase == "extra":
      return state, {"extra": jnp.sum(jnp.abs(state.params["w"]))}
    loss, grads = jax.value_and_grad(loss_fn)(state.params)
    updates, opt_state = tx.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    if nan_at is not None:
      loss = jnp.where(state.step == nan_at, jnp.nan, loss)
    if bad_state_at is not None:
      params = jax.tree.map(
          lambda p: jnp.where(state.step == bad_state_at, jnp.inf, p), params)
    return state.replace(step=state.step + 1, params=params,
                         opt_state=opt_state), {"loss": loss}

  def train_data(start):
    step = start
    while True:
      time.sleep(pause)
      rng = np.random.default_rng(step)
      yield {"x": rng.normal(size=(batch_size, 4)).astype(np.float32)}
      step += 1

  def sample(state, frozen, key):
    value = jax.random.uniform(key) * state.params["w"][0, 0]
    return {"grid": np.full((2, 2, 3), int(value) % 256, np.uint8)}

  return stage_lib.Stage(
      steps=steps,
      load_frozen=lambda: {"target": np.ones((4, 5), np.float32)},
      init=init,
      phases=lambda step: ("extra", "fit") if step % 4 == 0 else ("fit",),
      draws=lambda key, phase: 0.1 * jax.random.normal(key, (batch_size, 4)),
      train_step=train_step,
      train_data=train_data,
      sample=sample if pictures else None,
      validate=validate)


def run(workdir, steps=12, config=None, log_every=2, checkpoint_every=3,
        seed=0, **stage_options):
  options = loop.LoopOptions(log_every=log_every,
                             checkpoint_every=checkpoint_every)
  return loop.train(
      make(steps, **stage_options), workdir=workdir, options=options,
      key=jax.random.key(seed),
      config_json=json.dumps(config or {"steps": steps}))


if __name__ == "__main__":
  run(sys.argv[1], int(sys.argv[2]), pause=float(sys.argv[3]))

"""A small linear stage for testing the loop; also a program, to be killed.

python toy.py WORKDIR STEPS SECONDS_PER_STEP
    [CPU_DEVICES [ADDRESS N PROCESS LATE]]

LATE: seconds that this process starts later, once all are connected.
"""

import json
import sys
import time

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from semseg_jax.training import exits
from semseg_jax.training import loop
from semseg_jax.training import mesh as mesh_lib
from semseg_jax.training import optimizers
from semseg_jax.training import stage as stage_lib


class State(struct.PyTreeNode):
  step: jax.Array
  params: dict
  opt_state: tuple
  target: jax.Array


def make(steps=12, *, width=3, batch_size=8, pause=0.0, nan_at=None,
         bad_state_at=None, validate=None, on_batch=lambda step: None,
         on_rows=lambda rows: None, nan_rngs=False, shrink_at=None,
         on_trace=lambda phase: None):
  """Least squares with noise on the inputs; phase "extra" every 4 steps.

  The state holds an array of `frozen` as it is. `on_batch` is called when a
  batch is asked for, `on_rows` with what is given, `on_trace` with a phase that
  is traced. `nan_rngs`: NaN only comes from the numbers that a first attempt
  has in that step.
  """
  tx = optimizers.ranger(0.1)

  def init(key, frozen):
    params = {"w": jax.random.normal(key, (4, width)), "b": jnp.zeros(width)}
    return State(jnp.zeros((), jnp.int32), params, tx.init(params),
                 frozen["target"])

  def train_step(state, frozen, batch, rngs, *, phase):
    on_trace(phase)

    def loss_fn(params):
      x = batch["x"] + rngs
      error = x @ params["w"] + params["b"] - x @ frozen["target"][:, :width]
      return jnp.mean(error ** 2)

    if phase == "extra":
      return state, {"extra": jnp.sum(jnp.abs(state.params["w"]))}
    loss, grads = jax.value_and_grad(loss_fn)(state.params)
    updates, opt_state = tx.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    if nan_at is not None:
      bad = state.step == nan_at
      if nan_rngs:
        bad &= jnp.abs(rngs[0, 0] - first_number(nan_at)) < 1e-6
      loss = jnp.where(bad, jnp.nan, loss)
    if bad_state_at is not None:
      params = jax.tree.map(
          lambda p: jnp.where(state.step == bad_state_at, jnp.inf, p), params)
    return state.replace(step=state.step + 1, params=params,
                         opt_state=opt_state), {"loss": loss}

  def train_data(start):
    local = batch_size // jax.process_count()
    first = local * jax.process_index()
    step = start
    while True:
      on_batch(step)
      time.sleep(pause)
      x = np.random.default_rng(step).normal(size=(batch_size, 4))
      rows = local // 2 if step == shrink_at else local
      x = x[first:first + rows].astype(np.float32)
      on_rows(x)
      yield {"x": x}
      step += 1

  def rngs_of(key, phase):
    return 0.1 * jax.random.normal(key, (batch_size, 4))

  def first_number(step):  # as the loop folds its key, see training/phases.py
    key = jax.random.split(jax.random.key(0), 3)[1]
    position = int(step % 4 == 0)
    return rngs_of(jax.random.fold_in(
        jax.random.fold_in(key, step), position), "fit")[0, 0]

  def sample(state, frozen, key):
    value = int(255 * jax.random.uniform(key))  # the same at every step
    return {"grid": np.full((2, 2, 3), value, np.uint8)}

  return stage_lib.Stage(
      steps=steps,
      load_frozen=lambda: {
          "target": np.ones((4, max(5, width)), np.float32)},
      init=init,
      phases=lambda step: ("extra", "fit") if step % 4 == 0 else ("fit",),
      rngs=rngs_of,
      train_step=train_step,
      train_data=train_data,
      sample=sample,
      validate=validate)


def run(workdir, steps=12, *, config=None, options=None, mesh=None,
        sharding="replicated", rollbacks=0, **stage_options):
  return loop.train(
      make(steps, **stage_options), workdir=workdir, key=jax.random.key(0),
      options=options or loop.LoopOptions(log_every=2, checkpoint_every=3),
      mesh=mesh, sharding=sharding, rollbacks=rollbacks,
      config_json=json.dumps(config or {"steps": steps}))


if __name__ == "__main__":
  _workdir, _steps, _pause, *_rest = sys.argv[1:]
  if _rest:
    jax.config.update("jax_num_cpu_devices", int(_rest[0]))
  if _rest[1:]:
    mesh_lib.initialize(_rest[1], int(_rest[2]), int(_rest[3]))
    time.sleep(float(_rest[4]))
  with exits.one_line():
    _state = run(_workdir, int(_steps), pause=float(_pause))
  print(json.dumps({"devices": jax.device_count(),
                    "w": np.asarray(_state.params["w"]).tolist()}))

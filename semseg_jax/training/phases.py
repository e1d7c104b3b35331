"""The step of a stage, compiled ahead of time: one executable per phase."""

import time

from absl import logging
import jax

from semseg_jax.training import mesh as mesh_lib
from semseg_jax.training import run_dir


def lower(stage, name, mesh, state, frozen, batch, key, position):
  """The lowered program of phase `name`; the state's buffers are reused.

  Args:
    stage: whose step.
    name: one of the stage's phases.
    mesh: where it runs; the state comes out as it came in, metrics replicated.
    state, frozen, batch, key: arrays, or their shapes with shardings.
    position: int32, the phase's place in its step.
  """
  def step(state, frozen, batch, key, position):
    key = jax.random.fold_in(jax.random.fold_in(key, state.step), position)
    draws = stage.draws(key, name)
    return stage.train_step(state, frozen, batch, draws, phase=name)

  shardings = (jax.tree.map(lambda x: x.sharding, state),
               mesh_lib.replicated(mesh))
  return jax.jit(step, donate_argnums=0, out_shardings=shardings).lower(
      state, frozen, batch, key, position)


class Phases:
  """The stage's step, compiled once per phase and refused a second time."""

  def __init__(self, stage, record_path, mesh, *, primary):
    """`record_path`: JSON file for compile seconds and FLOPs of each phase."""
    self._stage, self._mesh, self._primary = stage, mesh, primary
    self._record_path = record_path
    self._compiled, self._shapes, self._record = {}, {}, {}

  def run(self, name, state, frozen, batch, key, position):
    """(state, metrics) after phase `name`; the given state is deleted.

    The draws' key is `key` folded with `state.step` and `position`, the
    phase's place in the step. Raises ValueError if the batch's shapes differ
    from those the phase was compiled for.
    """
    shapes = jax.tree.map(lambda x: (x.shape, str(x.dtype)), batch)
    if name not in self._compiled:
      self._shapes[name] = shapes
      self._compiled[name] = self._compile(
          name, state, frozen, batch, key, position)
    elif shapes != self._shapes[name]:
      raise ValueError(
          f"phase {name!r} would be compiled again: its batches had "
          f"{self._shapes[name]}, this one has {shapes}. train_data must give "
          "batches of one shape and type")
    return self._compiled[name](state, frozen, batch, key, position)

  def _compile(self, name, *arguments):
    start = time.monotonic()
    compiled = lower(self._stage, name, self._mesh, *arguments).compile()
    cost = compiled.cost_analysis() or {}
    self._record[name] = {
        "seconds": round(time.monotonic() - start, 3),
        "flops": cost.get("flops")}
    logging.info("compiled %s: %s", name, self._record[name])
    if self._primary:
      run_dir.write_json(self._record_path, self._record)
    return compiled

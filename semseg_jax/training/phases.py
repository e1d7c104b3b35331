"""The step of a stage, compiled ahead of time: one executable per phase."""

import time

from absl import logging
import jax

from semseg_jax.training import mesh as mesh_lib
from semseg_jax.training import run_dir


class Phases:
  """The stage's step, compiled once per phase and refused a second time."""

  def __init__(self, stage, record_path, mesh, *, primary):
    """`record_path`: JSON file for compile seconds and FLOPs of each phase."""
    self._stage, self._primary = stage, primary
    self._record_path = record_path
    self._compiled, self._shapes, self._record = {}, {}, {}
    self._out = mesh_lib.replicated(mesh)

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

  def _compile(self, name, state, frozen, batch, key, position):
    def step(state, frozen, batch, key, position):
      key = jax.random.fold_in(jax.random.fold_in(key, state.step), position)
      draws = self._stage.draws(key, name)
      return self._stage.train_step(state, frozen, batch, draws, phase=name)

    start = time.monotonic()
    compiled = jax.jit(
        step, donate_argnums=0, out_shardings=self._out).lower(
            state, frozen, batch, key, position).compile()
    cost = compiled.cost_analysis() or {}
    self._record[name] = {
        "seconds": round(time.monotonic() - start, 3),
        "flops": cost.get("flops")}
    logging.info("compiled %s: %s", name, self._record[name])
    if self._primary:
      run_dir.write_json(self._record_path, self._record)
    return compiled

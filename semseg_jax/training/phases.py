"""The step of a stage, compiled ahead of time: one executable per phase."""

from concurrent import futures
import time

from absl import logging
import jax
import numpy as np

from semseg_jax.training import mesh as mesh_lib
from semseg_jax.training import run_dir


def lower(stage, name, mesh, state, frozen, batch, key, position):
  """The lowered program of phase `name`; the state's buffers are reused.

  Args:
    stage: whose step.
    name: one of the stage's phases.
    mesh: where it runs; the state comes out as it came in, metrics replicated.
    state, frozen, batch, key: arrays, or their shapes with shardings.
    position: int32, the phase's position in its step.
  """
  def step(state, frozen, batch, key, position):
    key = jax.random.fold_in(jax.random.fold_in(key, state.step), position)
    rngs = stage.rngs(key, name)
    return stage.train_step(state, frozen, batch, rngs, phase=name)

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

  def compile(self, names, state, frozen, batch, key):
    """Compiles those of the phases `names` that are not yet, in this order.

    Python traces the next while XLA compiles the one before. An error is raised
    once the compilation that has begun has ended.
    """
    names = [name for name in names if name not in self._compiled]
    if not names:
      return
    with futures.ThreadPoolExecutor(1) as pool:
      started = {}
      try:
        for name in names:
          start = time.monotonic()
          # Its value is not compiled in; a phase's position is given to `run`.
          lowered = lower(self._stage, name, self._mesh, state, frozen, batch,
                          key, np.int32(0))
          started[name] = pool.submit(
              _compile, lowered, time.monotonic() - start)
        for name, future in started.items():
          self._compiled[name], self._record[name] = future.result()
          self._shapes[name] = _shapes(batch)
          logging.debug("compiled %s: %s", name, self._record[name])
          if self._primary:
            run_dir.write_json(self._record_path, self._record)
      finally:
        pool.shutdown(cancel_futures=True)

  def run(self, name, state, frozen, batch, key, position):
    """(state, metrics) after phase `name`; the given state is deleted.

    The key of `stage.rngs` is `key` folded with `state.step` and `position`,
    the phase's position in the step. Raises ValueError if the batch's shapes
    differ from those the phase was compiled for.
    """
    self.compile([name], state, frozen, batch, key)
    if _shapes(batch) != self._shapes[name]:
      raise ValueError(
          f"phase {name!r} would be compiled again: its batches had "
          f"{self._shapes[name]}, this one has {_shapes(batch)}. train_data "
          "must give batches of one shape and type")
    return self._compiled[name](state, frozen, batch, key, position)


def _compile(lowered, tracing):
  """(executable, record) of a program that took `tracing` seconds to lower."""
  start = time.monotonic()
  compiled = lowered.compile()
  return compiled, {
      "seconds": round(tracing + time.monotonic() - start, 3),
      "flops": flops(lowered, compiled)}


def flops(lowered, compiled) -> float | None:
  """The compiler's count of a program's operations, None if it has none.

  For a GPU that of the program before compilation: afterwards convolutions are
  calls of cuDNN, which count as nothing.
  """
  if jax.default_backend() == "gpu":
    return lowered_flops(lowered)
  return (compiled.cost_analysis() or {}).get("flops")


def lowered_flops(lowered) -> float | None:
  """The count before compilation, None if there is none."""
  try:
    if counts := lowered.cost_analysis():
      return counts.get("flops")
  except jax.errors.JaxRuntimeError:
    pass  # A device that is compiled for, but not here.
  try:  # Plugins do not count. There is no public way to the CPU's count.
    from jaxlib import _jax
    return _jax.hlo_module_cost_analysis(
        jax.devices("cpu")[0].client,
        lowered.compiler_ir("hlo").as_hlo_module()).get("flops")
  except (AttributeError, ImportError, RuntimeError):
    return None


def _shapes(batch):
  return jax.tree.map(lambda x: (x.shape, str(x.dtype)), batch)

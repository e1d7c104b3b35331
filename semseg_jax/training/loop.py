"""The training loop: runs any Stage, resumes it exactly, keeps its records.

The state lives on the devices and is donated to every phase; the host waits
for them only for the metrics of the step before, and where it saves.
"""

import contextlib
import io
import json
import math
import signal
import threading
import time
from typing import Any
from typing import NamedTuple

from absl import logging
from etils import epath
import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from semseg_jax.training import checkpoint
from semseg_jax.training import mesh as mesh_lib
from semseg_jax.training import run_dir
from semseg_jax.training import writers
from semseg_jax.training.stage import Stage

PyTree = Any


class LoopOptions(NamedTuple):
  """How often the loop looks up; each "every" is in steps, 0 is never.

  A line of metrics.jsonl holds the mean of each metric over the steps since
  the line before. sample, eval and checkpoint also happen after the last step
  (sample and eval unless 0).
  """
  log_every: int = 100
  sample_every: int = 0
  eval_every: int = 0
  checkpoint_every: int = 1000
  best_metric: str | None = None  # of stage.validate; its maximum is kept


class NonFiniteError(FloatingPointError):
  """A metric or the state became NaN or infinite."""


class Preempted(SystemExit):
  """SIGTERM came; the state is saved. Uncaught: exit code 143 = 128 + 15."""

  def __init__(self, message):
    super().__init__(143)
    self.message = message

  def __str__(self):
    return self.message


def train(
    stage: Stage,
    *,
    workdir,
    options: LoopOptions,
    key: jax.Array,
    mesh: jax.sharding.Mesh | None = None,
    config_json: str = "{}",
    overrides_json: str = "{}",
) -> PyTree:
  """Trains `stage` from its start or newest checkpoint; returns its final state.

  Step s counts from 0; a checkpoint, a metrics line and a sample are named by
  the number of completed steps, s + 1.

  Args:
    stage: what to train.
    workdir: the stage's own folder, local or remote; made if absent.
    options: see LoopOptions.
    key: typed key (`jax.random.key`); all randomness follows from it and the
      step.
    mesh: from `mesh.make`; None: all devices.
    config_json: the run's config; a folder with another one is refused.
    overrides_json: what the user changed on the command line, for the record.

  Raises:
    NonFiniteError: a metric or the state is not finite; the newest checkpoint
      is from before.
    Preempted: SIGTERM came; call again to continue.
    run_dir.ConfigMismatchError, checkpoint.StateMismatchError: the folder
      belongs to something else.
  """
  mesh = mesh_lib.make() if mesh is None else mesh
  primary = jax.process_index() == 0
  folder = run_dir.prepare(
      workdir, json.loads(config_json), json.loads(overrides_json),
      primary=primary)
  replicated = mesh_lib.replicated(mesh)
  frozen = mesh_lib.put_replicated(stage.load_frozen(), mesh)
  key = mesh_lib.put_replicated(key, mesh)
  init_key, step_key, sample_key = jax.random.split(key, 3)
  abstract = jax.tree.map(
      lambda x: x.update(sharding=replicated),
      jax.eval_shape(stage.init, init_key, frozen))

  with contextlib.ExitStack() as stack:
    checkpoints = stack.enter_context(
        checkpoint.Checkpoints(folder / "ckpt"))
    restored = checkpoints.restore(abstract)
    if restored:
      start, state, meta = restored
      logging.info("%s: continuing after step %d", folder, start)
    else:
      start, meta = 0, {}
      state = jax.jit(stage.init, out_shardings=replicated)(init_key, frozen)
      # jit may hand an input through as an output: without a copy, donating
      # the state would delete that part of `frozen`.
      state = jax.tree.map(jnp.copy, state)
    done = run_dir.done_step(folder)
    if start >= stage.steps and done is not None:
      logging.info("%s: already done", folder)
      return state
    run = _Run(stage, folder, options, mesh, primary, start, meta, stack)
    preempted = stack.enter_context(_termination())
    phases = _Phases(stage, folder, mesh, primary)
    data = iter(stage.train_data(start)) if start < stage.steps else iter(())
    batch = _next_batch(data, start, stage.steps, mesh)

    for step in range(start, stage.steps):
      metrics = {}
      for position, name in enumerate(stage.phases(step)):
        state, new = phases.run(
            name, state, frozen, batch, step_key, np.int32(position))
        metrics |= new
      # The device computes; meanwhile the next batch and the metrics before.
      batch = _next_batch(data, step + 1, stage.steps, mesh)
      run.push(step + 1, metrics, state.step)
      now = step + 1
      stop = preempted(now)
      ended = now == stage.steps
      due = lambda every, now=now, ended=ended: every and (
          ended or now % every == 0)
      if due(options.sample_every) and stage.sample:
        run.sample(now, stage.sample(state, frozen, sample_key))
      score = None
      if due(options.eval_every) and stage.validate:
        score = run.evaluate(now, stage.validate(state, frozen))
      improved = score is not None and score > checkpoints.best_score()
      if stop or ended or improved or due(options.checkpoint_every):
        run.drain()
        _check_finite(state, now)
        checkpoints.save(now, state, run.meta(), score)
      if stop:
        checkpoints.wait()
        raise Preempted(f"stopped by SIGTERM after step {now}, which is saved "
                        f"in {folder}: run the same command to continue")
    if stage.steps == 0 and not restored:
      _check_finite(state, 0)
      checkpoints.save(0, state, run.meta())
    checkpoints.wait()
    if primary:
      run_dir.write_done(folder, stage.steps)
  return state


class _Phases:
  """The stage's step, compiled once per phase and refused a second time."""

  def __init__(self, stage, folder, mesh, primary):
    self._stage, self._primary = stage, primary
    self._record_path = folder / "compile.json"
    self._compiled, self._shapes, self._record = {}, {}, {}
    self._out = mesh_lib.replicated(mesh)

  def run(self, name, state, frozen, batch, key, position):
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


class _Run:
  """The records of a run: metrics fetched a step late, samples, progress."""

  def __init__(self, stage, folder, options, mesh, primary, start, meta, stack):
    self._every, self._best = options.log_every, options.best_metric
    self._steps, self._primary, self._folder = stage.steps, primary, folder
    self._pending = None
    # Sums since the last line; saved with the state, so that the first line
    # after a resume is that of an unbroken run.
    self._window = meta.get("window", {})
    if primary:
      self._writer = writers.create(folder, primary=True, first_step=start)
      stack.callback(self._writer.close)
      self._file = writers.MetricsFile(
          folder / "metrics.jsonl", first_step=start)
      stack.callback(self._file.close)
      self._progress = writers.Progress(folder.name, start, stage.steps)

  def meta(self) -> dict:
    return {"window": self._window}

  def push(self, step, metrics, state_step) -> None:
    """Takes the metrics of `step`, still being computed; handles those before.

    `state_step` is copied, as the next step deletes it.
    """
    pending = (step, metrics, jnp.copy(state_step))
    self.drain()
    self._pending = pending

  def drain(self) -> None:
    """Fetches what was pushed last, checks it, writes its line if due."""
    if self._pending is None:
      return
    step, metrics, state_step = self._pending
    self._pending = None
    metrics, state_step = jax.device_get((metrics, state_step))
    if state_step != step:
      raise ValueError(
          f"state.step is {state_step} after {step} steps: the last phase of "
          "a step, and only that one, must add 1 to state.step")
    values = {k: float(v) for k, v in metrics.items()}
    bad = {k: v for k, v in values.items() if not math.isfinite(v)}
    if bad:
      raise NonFiniteError(
          f"step {step}: {bad}; all metrics: {values}. The newest checkpoint "
          f"in {self._folder / 'ckpt'} is from before")
    for name, value in values.items():
      total, count = self._window.get(name, (0.0, 0))
      self._window[name] = (total + value, count + 1)
    if self._every and (step % self._every == 0 or step == self._steps):
      line = {k: total / n for k, (total, n) in self._window.items()}
      self._window = {}
      self._write(step, line)
      if self._primary:
        rate = self._progress.report(step, line)
        self._writer.write_scalars(step, {"steps_per_second": rate})

  def evaluate(self, step, values) -> float | None:
    """Writes validation metrics as a line of their own; returns the score."""
    self.drain()
    values = {k: float(v) for k, v in values.items()}
    self._write(step, values)
    if self._best is None:
      return None
    if self._best not in values:
      raise ValueError(f"best_metric is {self._best!r}, but validation gives "
                       f"{sorted(values)}")
    return values[self._best]

  def sample(self, step, pictures) -> None:
    """Writes samples/<name>_<step>.png, uint8 [H, W, 3] or [H, W]."""
    if not self._primary:
      return
    for name, picture in pictures.items():
      picture = np.asarray(picture)
      path = self._folder / "samples" / f"{name}_{step:07}.png"
      path.parent.mkdir(parents=True, exist_ok=True)
      data = io.BytesIO()
      Image.fromarray(picture).save(data, "PNG")
      path.write_bytes(data.getvalue())
      shape = (1, *picture.shape[:2], -1)
      self._writer.write_images(step, {name: picture.reshape(shape)})

  def _write(self, step, values):
    if self._primary:
      self._file.write(step, values)
      self._writer.write_scalars(step, values)


@contextlib.contextmanager
def _termination():
  """Yields a function of the step: whether SIGTERM asks to stop after it.

  With several processes JAX's own service catches the signal and makes all of
  them stop after the same step.
  """
  if jax.process_count() > 1:
    from jax.experimental import multihost_utils
    yield multihost_utils.reached_preemption_sync_point
    return
  received = threading.Event()
  if threading.current_thread() is not threading.main_thread():
    yield lambda step: False  # only the main thread may handle signals
    return
  former = signal.signal(signal.SIGTERM, lambda *_: received.set())
  try:
    yield lambda step: received.is_set()
  finally:
    signal.signal(signal.SIGTERM, former)


def _next_batch(data, step, steps, mesh):
  """Batch `step` on the devices; None after the last step."""
  if step >= steps:
    return None
  try:
    batch = next(data)
  except StopIteration:
    raise ValueError(f"train_data ended before step {step} of {steps}: it "
                     "must repeat") from None
  return mesh_lib.put_batch(batch, mesh)


@jax.jit
def _all_finite(tree):
  return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in tree]))


def _check_finite(state, step):
  """Raises rather than let a state with NaN replace a good checkpoint."""
  floats = [x for x in jax.tree.leaves(state)
            if jnp.issubdtype(x.dtype, jnp.inexact)]
  if floats and not _all_finite(floats):
    bad = [jax.tree_util.keystr(path)
           for path, x in jax.tree_util.tree_leaves_with_path(state)
           if jnp.issubdtype(x.dtype, jnp.inexact)
           and not jnp.all(jnp.isfinite(x))]
    raise NonFiniteError(f"step {step}: not finite in the state: {bad[:5]}; "
                         "it was not saved")

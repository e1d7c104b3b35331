"""The training loop: runs any Stage, resumes it exactly, writes its records.

The state lives on the devices and is donated to every phase; the host waits
for them only for the metrics of the step before, and where it saves.
"""

import contextlib
import functools
import itertools
import json
import signal
import threading
from typing import Any
from typing import NamedTuple

from absl import logging
import jax
from jax.experimental import multihost_utils
import jax.numpy as jnp
import numpy as np

from semseg_jax.cpu import target
from semseg_jax.training import checkpoint
from semseg_jax.training import exits
from semseg_jax.training import mesh as mesh_lib
from semseg_jax.training import phases
from semseg_jax.training import records
from semseg_jax.training import run_dir
from semseg_jax.training.stage import Stage

PyTree = Any
_AHEAD = 64  # Steps whose phases are compiled before the first of them.


class LoopOptions(NamedTuple):
  """How often the loop looks up; each "every" is in steps, 0 is never.

  A line of metrics.jsonl holds the mean of each metric over the steps since
  the line before. sample, eval and checkpoint also happen after the last step
  (sample and eval unless 0). Of equal scores of `best_metric` the first is the
  best.
  """
  log_every: int = 100
  sample_every: int = 0
  eval_every: int = 0
  checkpoint_every: int = 1000
  best_metric: str | None = None  # of stage.validate, the best


def train(stage: Stage, *, workdir, options: LoopOptions, key: jax.Array,
          mesh: jax.sharding.Mesh | None = None, sharding: str = "replicated",
          rollbacks: int = 0, config_json: str = "{}",
          overrides_json: str = "{}",
          trained_on: dict[str, int] | None = None) -> PyTree:
  """Trains `stage`, from its newest checkpoint if any, to its final state.

  Step s counts from 0; a checkpoint, a metrics line and a sample are named by
  the number of completed steps, s + 1.

  Args:
    stage: what to train.
    workdir: the stage's own folder, local or remote; made if absent.
    options: see LoopOptions.
    key: typed key (`jax.random.key`); all randomness follows from it and the
      step.
    mesh: from `mesh.make`; None: all devices.
    sharding: of the state, see `mesh.state_shardings`.
    rollbacks: how often a run that became NaN may go back to its newest
      checkpoint and on from there with other random numbers.
    config_json: the run's config; a folder with another one is refused.
    overrides_json: what the user changed on the command line, for the record.
    trained_on: stages that this one reads, at which step, for the record.

  Raises:
    records.NonFiniteError: a metric or the state is not finite and no rollback
      is left; the newest checkpoint is from before. FloatingPointError: so is
      what the stage validates.
    exits.Preempted: SIGTERM came; call again to continue.
    run_dir.ConfigMismatchError, checkpoint.StateMismatchError: the folder
      belongs to something else.
    ValueError: another process is training there, or it was trained for more
      steps than the stage's.
  """
  mesh = mesh_lib.make() if mesh is None else mesh
  primary = jax.process_index() == 0
  # First of all: what another process trains there keeps its records.
  with run_dir.alone(workdir) if primary else contextlib.nullcontext():
    check_steps(workdir, stage.steps)
    known = run_dir.is_known(workdir)
    folder = run_dir.prepare(
        workdir, json.loads(config_json), json.loads(overrides_json),
        trained_on=trained_on, primary=primary)
    try:
      return _train_in(folder, stage, options, key, mesh, sharding, rollbacks)
    except Exception:
      # What never came to a checkpoint must not stand in a mended config's way.
      if primary and not known:
        run_dir.forget(folder)
      raise


def check_steps(workdir, steps: int) -> None:
  """Raises ValueError if the stage in `workdir` was trained for more steps."""
  newest = checkpoint.latest(run_dir.absolute(workdir) / "ckpt") or 0
  if newest > steps:
    state = ("not yet finished" if run_dir.done_step(workdir) is None
             else "and finished")
    raise ValueError(
        f"{workdir} is at step {newest}, {state}: {steps} steps are too few, "
        f"give at least {newest} or another --workdir")


def _train_in(folder, stage, options, key, mesh, sharding, rollbacks):
  """`train` once the folder is there, with rollbacks."""
  frozen = mesh_lib.put_replicated(stage.load_frozen(), mesh)
  compiled = phases.Phases(stage, folder / "compile.json", mesh,
                           primary=jax.process_index() == 0)
  for rollback in itertools.count():
    try:
      return _train(stage, folder, options, key, mesh, frozen, sharding,
                    compiled, rollback)
    except FloatingPointError as error:  # validation's logits, too
      if rollback == rollbacks:
        raise
      logging.warning(
          "%s: back to the newest checkpoint, on with other random "
          "numbers (rollback %d of %d)", error, rollback + 1, rollbacks)


def _train(stage, folder, options, key, mesh, frozen, sharding, compiled,
           rollback):
  """`train` from the newest checkpoint to the end, or to the first NaN."""
  primary = jax.process_index() == 0
  keys = mesh_lib.put_replicated(tuple(jax.random.split(key, 3)), mesh)
  init_key, step_key, sample_key = keys
  abstract = jax.eval_shape(stage.init, init_key, frozen)
  shardings = mesh_lib.state_shardings(abstract, mesh, sharding)
  abstract = jax.tree.map(
      lambda x, s: x.update(sharding=s), abstract, shardings)

  with contextlib.ExitStack() as stack:
    checkpoints = stack.enter_context(
        checkpoint.Checkpoints(folder / "ckpt"))
    restored = checkpoints.restore(abstract)
    if restored:
      start, state, meta = restored
      logging.info("%s: continuing after step %d", folder, start)
    else:
      start, meta = 0, {}
      state = jax.jit(
          stage.init, out_shardings=shardings,
          compiler_options=target.run_once())(init_key, frozen)
      # jit may hand an input through as an output: without a copy, donating
      # the state would delete that part of `frozen`.
      state = jax.tree.map(jnp.copy, state)
    done = run_dir.done_step(folder)
    if start >= stage.steps and done is not None:
      logging.info("%s: already done", folder)
      return state
    if done is not None and primary:
      run_dir.reopen(folder)
    # Other random numbers than in any attempt that led to this checkpoint.
    meta["rollbacks"] = meta.get("rollbacks", 0) + rollback
    if meta["rollbacks"]:
      step_key = jax.random.fold_in(step_key, meta["rollbacks"])
    run = stack.enter_context(records.Records(
        folder, options.log_every, stage.steps, start, meta, primary=primary))
    preempted = stack.enter_context(_termination())
    validate = lambda state: functools.partial(
        _agreed, stage.validate, *mesh_lib.local((state, frozen)))
    sample = lambda state, now: run.sample(now, stage.sample(
        *mesh_lib.local((state, frozen, sample_key))))
    owed = meta.get("owed", ())  # SIGTERM came before it
    if "sample" in owed:
      sample(state, start)
    if "validate" in owed:
      score = _score(run.line(start, validate(state)), options.best_metric)
      if score is not None and score > checkpoints.best_score:
        checkpoints.rescore(start, score)
    data = iter(stage.train_data(start)) if start < stage.steps else iter(())
    batch = _next_batch(data, start, stage.steps, mesh)
    if batch is not None:
      soon = range(start, min(start + _AHEAD, stage.steps))
      with run.preparing(start):
        compiled.compile(
            dict.fromkeys(name for step in soon for name in stage.phases(step)),
            state, frozen, batch, step_key)

    for step in range(start, stage.steps):
      metrics = {}
      for position, name in enumerate(stage.phases(step)):
        state, new = compiled.run(
            name, state, frozen, batch, step_key, np.int32(position))
        metrics |= new
      now = step + 1
      # The device computes; meanwhile the next batch and the metrics before.
      batch = _next_batch(data, now, stage.steps, mesh)
      run.push(now, metrics, state.step)

      stop, ended = preempted(now), now == stage.steps
      due = [name for name, function, every in (
          ("sample", stage.sample, options.sample_every),
          ("validate", stage.validate, options.eval_every))
             if function and _due(every, now, ended)]
      due, owed = ([], due) if stop else (due, [])
      score = None
      if "sample" in due:
        sample(state, now)
      if "validate" in due:
        score = _score(run.drain(validate(state)), options.best_metric)
      improved = score is not None and score > checkpoints.best_score
      if stop or improved or ended or _due(
          options.checkpoint_every, now, ended):
        (run.hold if "validate" in owed else run.drain)()
        _check_finite(state, now)
        # The first of equal scores is the best, whenever else is saved.
        checkpoints.save(
            now, state, run.meta(owed=owed), score if improved else None)
      if stop:
        checkpoints.wait()
        raise exits.Preempted(
            f"stopped by SIGTERM after step {now}, which is saved in {folder}: "
            "run the same command to continue")
    if stage.steps == 0 and not restored:
      _check_finite(state, 0)
      checkpoints.save(0, state, run.meta())
    checkpoints.wait()
    if primary:
      run_dir.write_done(folder, stage.steps)
  return state


def _agreed(validate, state, frozen) -> dict[str, float]:
  """validate(state, frozen); process 0's, lest another save or not by a bit."""
  values = validate(state, frozen)
  if jax.process_count() == 1:
    return values
  names = sorted(values)
  numbers = np.array([values[name] for name in names], np.float64)
  agreed = multihost_utils.broadcast_one_to_all(numbers.view(np.uint32))
  numbers = np.asarray(agreed).view(np.float64)
  return dict(zip(names, numbers.tolist(), strict=True))


def _due(every: int, now: int, ended: bool) -> bool:
  return every > 0 and (ended or now % every == 0)


def _score(values, best_metric) -> float | None:
  if best_metric is None:
    return None
  if best_metric not in values:
    raise ValueError(f"best_metric is {best_metric!r}, but validation gives "
                     f"{sorted(values)}")
  return values[best_metric]


@contextlib.contextmanager
def _termination():
  """Yields a function of the step: whether SIGTERM asks to stop after it.

  With several processes JAX's own service catches the signal and makes all of
  them stop after the same step.
  """
  if jax.process_count() > 1:
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
    raise records.NonFiniteError(
        f"step {step}: not finite in the state: {bad[:5]}; it was not saved")

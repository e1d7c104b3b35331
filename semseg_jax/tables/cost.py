"""What the training of tables costs, from the compiler's figures.

Every phase of every stage is lowered, not compiled and not run, at the
config's own sizes; the compiler counts the floating-point operations of the
lowered program, and the schedule says how often each phase runs. What later
stages load of earlier ones is files of zeros. Figures are those of
the platform this runs on: on CPU some convolutions are written in another way
than on accelerators (cpu/). Not counted: evaluation and validation,
inversion among it, and the reading of data.
"""

import collections
from collections.abc import Sequence
import json
import pathlib
import tempfile
from typing import NamedTuple

from absl import logging
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax import stages as stage_table
from semseg_jax.tables import definition
from semseg_jax.tables import runs
from semseg_jax.tables import toy_data
from semseg_jax.training import checkpoint

# What costs do not depend on, below `data` and at the top.
_IRRELEVANT = ("evaluation", "log", "monitor", "seed", "inversion")
_IRRELEVANT_DATA = ("num_labeled", "num_unlabeled", "split_seed", "seed")


class Cost(NamedTuple):
  """Floating-point operations of one run.

  stages: name -> operations of all its steps; phases: (stage, phase) ->
  (operations of one, how often).
  """
  stages: dict[str, float]
  phases: dict[tuple[str, str], tuple[float, int]]

  @property
  def total(self) -> float:
    return sum(self.stages.values())


def of_tables(tables: Sequence[definition.Table], folders: runs.Folders):
  """[(table name, config, runs, Cost of one)] and what stands in the way.

  Runs that several tables share count for the first.
  """
  counts, problems, known = {}, {}, {}
  with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    for job in runs.jobs(tables):
      try:
        config = runs.config(job.run, folders, job.table)
      except FileNotFoundError as error:
        problems[str(error)] = None
        continue
      stages = job.stages or tuple(config.stages)
      key = runs.short_hash(json.dumps(
          [stages, _relevant(config)], sort_keys=True))
      if key not in known:
        logging.info("lowering %s:%s", job.run.config, job.run.argument)
        try:
          known[key] = of_run(job, config, stages, folder / key)
        except (OSError, ValueError) as error:
          known[key] = None
          problems[f"{job.run.config}:{job.run.argument}: no cost: {error}"
                   ] = None
      entry = (job.table.name, job.run.config, key)
      counts[entry] = counts.get(entry, 0) + 1
  return [(table, path, count, known[key])
          for (table, path, key), count in counts.items()
          if known[key]], list(problems)


def _relevant(config):
  plain = json.loads(config.to_json_best_effort())
  labels = bool(plain["data"]["num_labeled"])
  data = {k: v for k, v in plain["data"].items() if k not in _IRRELEVANT_DATA}
  return {k: v for k, v in plain.items() if k not in _IRRELEVANT} | {
      "data": data, "has_labels": labels}


def of_run(job: runs.Job, config, stages, folder: pathlib.Path) -> Cost:
  """The cost of one run's stages, on toy data of its kind.

  Args:
    job: for the splits.
    stages: which of its stages count.
    folder: for those files, toy data and files of weights.
  """
  folder.mkdir(parents=True)
  config = config.copy_and_resolve_references()
  changes = {}
  if job.table.data:
    plain = json.loads(config.to_json_best_effort())
    changes = toy_data.on_toy_data(plain, job.splits, (), folder / "data")
  for field, name in job.run.files:
    # Of others only the initial values differ.
    changes[field] = str(toy_data.lpips_file(folder / name)) if (
        name == "lpips_vgg.safetensors") else ""
  config.update_from_flattened_dict(
      changes | {"data.cache_dir": str(folder / "cache")})
  workdir, phases, totals = folder / "run", {}, {}
  # A converted generator is replaced by one of the config's own.
  trained = ["gan"] if changes.get("generator.weights") == "" else []
  for name in stages:
    stage = stage_table.make(config, workdir, name)
    phase_costs = stage_cost(
        stage, lambda: _untrained(config, workdir, trained))
    trained.append(name)
    totals[name] = 0.0
    for phase, (operations, times) in phase_costs.items():
      phases[name, phase] = operations, times
      totals[name] += operations * times
      logging.info("  %s/%s: %.4g operations, %d times", name, phase,
                   operations, times)
  return Cost(totals, phases)


def _untrained(config, workdir, names):
  """Checkpoints with zeros of stages, for the stages after them."""
  for name in names:
    stage = stage_table.make(config, workdir, name)
    state = jax.eval_shape(
        stage.init, jax.random.key(0), _frozen(stage))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), state)
    with checkpoint.Checkpoints(workdir / name / "ckpt") as checkpoints:
      checkpoints.save(0, zeros, {})


def _frozen(stage):
  """Shapes of what a stage gets from earlier ones."""
  return jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype),
      stage.load_frozen())


def stage_cost(stage, prepare) -> dict[str, tuple[float, int]]:
  """phase -> (operations of one, how often it runs) of a whole stage.

  Args:
    stage: with its real number of steps.
    prepare: makes what `stage.load_frozen` reads; called if it is not there.
  """
  times = collections.Counter(
      name for step in range(stage.steps) for name in stage.phases(step))
  if not times:
    return {}
  try:
    frozen = _frozen(stage)
  except FileNotFoundError:
    prepare()
    frozen = _frozen(stage)
  key = jax.random.key(0)
  state = jax.eval_shape(stage.init, key, frozen)
  batch = next(iter(stage.train_data(0)))

  def operations(name):
    def step(state, frozen, batch, key):
      return stage.train_step(
          state, frozen, batch, stage.rngs(key, name), phase=name)
    lowered = jax.jit(step).lower(state, frozen, batch, key)
    return float((lowered.cost_analysis() or {}).get("flops", 0.0))

  return {name: (operations(name), count) for name, count in times.items()}


def rows(costs, rate: float) -> list[dict]:
  """A table's rows of `of_tables`' first part.

  Args:
    costs: see there.
    rate: operations per second that the accelerator is taken to sustain.
  """
  made = []
  for table, path, count, cost in costs:
    made.append({
        "Table": table,
        "Config": path.removeprefix("configs/"),
        "Runs": count,
        "PFLOP of one run": f"{cost.total / 1e15:.3g}",
        "of its stages": ", ".join(
            f"{name} {value / 1e15:.3g}"
            for name, value in cost.stages.items()),
        "GPU-hours of all": f"{count * cost.total / rate / 3600:.3g}"})
  return made

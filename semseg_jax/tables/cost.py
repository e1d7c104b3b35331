"""What the training of tables costs, from the compiler's figures.

The programs are those of `planning.programs`: lowered, not compiled and not
run, at the config's own sizes, as for a GPU: on CPU some convolutions are
written with fewer operations (cpu/). The compiler counts the floating-point
operations, and the schedule says how often each phase runs. Not counted:
evaluation and validation, inversion among it, and the reading of data.
"""

from collections.abc import Sequence
import json
from typing import NamedTuple

from absl import logging

from semseg_jax.cpu import target
from semseg_jax.planning import programs
from semseg_jax.tables import definition
from semseg_jax.tables import runs
from semseg_jax.training import mesh as mesh_lib

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
  for job in runs.jobs(tables):
    try:
      config = runs.config(job.run, folders, job.table)
    except FileNotFoundError as error:
      problems[str(error)] = None
      continue
    stages = job.stages or tuple(config.stages)
    key = json.dumps([stages, _relevant(config)], sort_keys=True)
    if key not in known:
      logging.info("lowering %s:%s", job.run.config, job.run.argument)
      try:
        known[key] = of_run(config, stages, job.run.files)
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


def of_run(config, stages, files=()) -> Cost:
  """The cost of one run's stages.

  Args:
    stages: which of its stages count.
    files: (field, name) of converted weights. They need not be there: all but
      LPIPS, whose shapes are known, change the initial values alone.
  """
  config = programs.blank(config)
  config.update_from_flattened_dict({
      field: "" for field, _ in files if field != "perceptual.weights"})
  mesh, totals, phases = mesh_lib.make(), {}, {}
  with target.compiling_for("gpu"):
    for name in stages:
      totals[name] = 0.0
      for program in programs.training(config, name, mesh):
        operations, _ = program.work()
        times = round(program.per_step * program.steps)
        phases[name, program.phase] = operations, times
        totals[name] += operations * times
        logging.info("  %s/%s: %.4g operations, %d times", name, program.phase,
                     operations, times)
  return Cost(totals, phases)


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

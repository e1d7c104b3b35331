"""The runs of result tables: their configs, what is done, what is left."""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import importlib
import json
import os
import pathlib
import pkgutil
import shlex
import types
from typing import Any
from typing import NamedTuple

from semseg_jax import stages as stage_table
from semseg_jax.evaluation import record as records
from semseg_jax.tables import collect
from semseg_jax.tables import definition
from semseg_jax.training import run_dir


@dataclasses.dataclass(frozen=True)
class Folders:
  """Where things lie, and what the user changed."""
  root: pathlib.Path  # folder of all runs
  data: str = "data"  # folder of the data sets' folders, or of one data set
  weights: str = "weights"  # folder of converted weights
  # Fields of every config -> value.
  overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  elsewhere: Sequence[records.Entry] = ()  # records of runs in other folders


def names() -> tuple[str, ...]:
  """Every table of configs/tables."""
  folder = importlib.import_module("configs.tables").__path__
  return tuple(sorted(
      m.name for m in pkgutil.iter_modules(folder) if m.name != "base"))


def load(name: str) -> definition.Table:
  """The table of configs/tables/NAME.py.

  Raises ValueError: there is none, or it is not as it has to be.
  """
  if name not in names():
    raise ValueError(f"no table {name!r} in configs/tables; there are "
                     f"{', '.join(names())}")
  module = importlib.import_module(f"configs.tables.{name}")
  return definition.parse(name, module.get_table())


def chosen(table: definition.Table, *, rows: Sequence[str], seeds: Sequence[int]
           ) -> definition.Table:
  """The table with runs of these rows and seeds only; empty means all.

  Raises ValueError: it has no such row.
  """
  if seeds:
    table = dataclasses.replace(table, seeds=tuple(seeds))
  if not rows:
    return table
  unknown = set(rows) - {row.name for row in table.rows}
  if unknown:
    raise ValueError(f"table {table.name!r} has no row {min(unknown)!r}; it "
                     f"has {', '.join(repr(row.name) for row in table.rows)}")
  return dataclasses.replace(table, rows=tuple(
      row if row.name in rows
      else dataclasses.replace(row, config="") for row in table.rows))


def overrides(run: definition.Run, folders: Folders, table: definition.Table,
              scoring: bool = False):
  """{field: value} of a run's command line, beside the config's argument.

  The user's values come before the table's. `scoring`: of the command that
  scores it.
  """
  fields = dict(run.overrides) | dict(run.scoring if scoring else ())
  fields |= folders.overrides
  if table.data:
    fields.setdefault("data.data_dir", folders.data)
  for field, name in run.files:
    fields.setdefault(field, f"{folders.weights}/{name}")
  return fields


def config(run: definition.Run, folders: Folders, table: definition.Table):
  """The config that a run is scored with, locked.

  Raises:
    FileNotFoundError: its file does not exist.
    ValueError: the file does not know an argument or a field.
  """
  where = f"table {table.name!r}, {run.config}:{run.argument}"
  name = run.config.removesuffix(".py").replace("/", ".")
  try:
    module = importlib.import_module(name)
  except ModuleNotFoundError as error:
    if not name.startswith(error.name):
      raise
    raise FileNotFoundError(
        f"table {table.name!r} needs the config {run.config}, which does not "
        "exist") from None
  try:
    loaded = module.get_config(run.argument)
  except (TypeError, ValueError) as error:
    raise ValueError(f"{where}: {error}") from error
  loaded.lock()
  changed = overrides(run, folders, table, scoring=True)
  for field, value in changed.items():
    try:
      loaded.update_from_flattened_dict({field: value})
    except (AttributeError, KeyError) as error:
      raise ValueError(f"{where}: no field {field!r}") from error
    except (TypeError, ValueError) as error:
      raise ValueError(f"{where}: {field}={value!r}: {error}") from error
  return loaded


def plain_config(run, folders, table) -> dict:
  """The same as nested dicts, as records hold it."""
  return json.loads(config(run, folders, table).to_json_best_effort())


def trained(run: definition.Run, folders: Folders, stages, plain) -> bool:
  """Whether every stage of a run has finished its steps."""
  for stage in stages:
    done = run_dir.done_step(folders.root / run.folder / stage)
    wanted = collect.wanted_steps(plain, stage)
    # 0: a stage that only computes; its config's steps are something else.
    if done is None or 0 < done < wanted:
      return False
  return True


def evaluated(run, folders, plain, scores) -> bool:
  """Whether every score has a record made after the training's end.

  Args:
    scores: (split, method) of each.

  Raises RecordMismatchError: a record is of another config.
  """
  try:
    return all(
        collect.find_record(
            folders.root, run, split, plain, folders.elsewhere, method=method,
            unlike=unlike)
        for split, method in scores)
  except collect.UnfinishedError:
    return False


def unlike(there: dict, now: dict) -> list[tuple]:
  """What differs in two configs, of all that both train.

  A run of fewer stages has what its stages give: their blocks have to be the
  same, not those of stages that only one of the two trains.
  """
  if there["method"] != now["method"]:
    return records.differences(there, now)
  names = [set(c["stages"]) for c in (there, now)]
  kind = types.SimpleNamespace(method=now["method"])
  blocks = lambda stage_names: {
      field for name in stage_names for stage in [stage_table.of(kind, name)]
      for field in (*stage.fields, *stage.scored)}
  both = names[0] & names[1]
  try:
    others = blocks(names[0] | names[1]) - blocks(both)
  except ValueError:  # a stage that this version does not have
    return records.differences(there, now)
  return records.differences(*(
      {k: v for k, v in c.items() if k not in others}
      | {"stages": sorted(both)} for c in (there, now)))


class Job(NamedTuple):
  """A run of one or several tables."""
  run: definition.Run  # which
  table: definition.Table  # the first table with it
  scores: tuple[tuple[str, str], ...]  # (split, method) that tables read
  # What others take over of it; () where it is scored: then it trains all that
  # its config names.
  stages: tuple[str, ...]

  @property
  def splits(self) -> tuple[str, ...]:
    """On which it is scored."""
    return tuple(dict.fromkeys(split for split, _ in self.scores))


def jobs(tables: Sequence[definition.Table]) -> list[Job]:
  """Every run of the tables once, those that others need before them."""
  scores, stages, first = {}, {}, {}
  for table in tables:
    for run, read in definition.scores(table).items():
      first.setdefault(run, table)
      scores.setdefault(run, {}).update(dict.fromkeys(read))
      for need in run.needs:
        stages.setdefault(need.run, {})[need.stage] = None
  return [
      Job(run, table, tuple(scores[run]),
          () if scores[run] else tuple(stages[run]))
      for run, table in first.items()]


def commands(tables: Sequence[definition.Table], folders: Folders, *,
             ready: bool = False) -> tuple[list[str], list[str]]:
  """What is left to do for tables: one shell line a run, needed ones first.

  Args:
    tables: which; a run that several share is listed once.
    folders: where the runs are.
    ready: only those that need no other line; these may run in any order, or
      all at once.

  Returns (lines, what stands in the way of others, one line each).

  Raises RecordMismatchError: a record that is there is of another config.
  """
  left, problems = [], {}
  for job in jobs(tables):
    try:
      command = line(job, folders)
    except FileNotFoundError as error:
      problems[str(error)] = None
      continue
    if command:
      left.append((job, command))
  # A run that is not scored is there for those that need it alone.
  wanted = {need.run for job, _ in left for need in job.run.needs}
  left = [(job, command) for job, command in left
          if job.splits or job.run in wanted]
  waiting = {job.run for job, _ in left}
  lines = [command for job, command in left
           if not (ready and any(n.run in waiting for n in job.run.needs))]
  return lines, list(problems)


def line(job: Job, folders: Folders) -> str:
  """The shell line of one run; empty where nothing is left to do.

  Raises:
    FileNotFoundError: there is no such config.
    RecordMismatchError: a record that is there is of another config.
  """
  run, splits = job.run, job.splits
  plain = plain_config(run, folders, job.table)
  stages = job.stages or tuple(plain["stages"])
  is_trained = trained(run, folders, stages, plain_config(
      dataclasses.replace(run, scoring=()), folders, job.table))
  # A record elsewhere says that its training had finished.
  if (is_trained or splits and folders.elsewhere) and evaluated(
      run, folders, plain, job.scores):
    return ""
  folder = folders.root / run.folder
  links = [n for n in run.needs if not n.field]
  # The run keeps the path, so it must not depend on where one stands.
  taken = {n.field: str((folders.root / n.run.folder).resolve())
           for n in run.needs if n.field}
  flags = lambda scoring: _flags(
      run, overrides(run, folders, job.table, scoring) | taken, folder)
  parts = []
  if not is_trained:
    if links:
      parts.append(["mkdir", "-p", str(folder)])
    for stage, other, _ in links:
      target = os.path.relpath(folders.root / other.folder / stage, folder)
      parts.append(["ln", "-sfn", target, str(folder / stage)])
    only = [] if stages == tuple(plain["stages"]) else [
        f"--stage={','.join(stages)}"]
    parts.append(["semseg-jax", "train", *flags(False), *only])
  if splits:
    usual = {plain["data"]["in_domain"], *plain["data"]["out_of_domain"]}
    only = [] if usual == set(splits) else [f"--split={','.join(splits)}"]
    parts.append(["semseg-jax", *run.evaluate.split(), *flags(True), *only])
  return " && ".join(shlex.join(part) for part in parts)


def _flags(run, changed, folder):
  return [f"--config={run.config}:{run.argument}",
          *(f"--config.{k}={_as_flag(v)}" for k, v in changed.items()),
          f"--workdir={folder}"]


def _as_flag(value) -> str:
  # A shell's quotes are single ones.
  text = str(value)
  return text if isinstance(value, str) else text.replace("'", '"')

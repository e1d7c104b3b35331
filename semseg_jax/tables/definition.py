"""A table of results as data: rows and columns, runs, published values.

A file of configs/tables has a function `get_table()` that gives a dict of the
fields below; `parse` checks it. Row and column together state a run (config,
arguments, changed fields, one seed each), what of its records is read (split,
method, metric) and the published value with its source.
"""

from collections.abc import Mapping
import dataclasses
import itertools
import math
from typing import Any
from typing import NamedTuple

STATUSES = ("seen", "recalled")
UNITS = {"fraction": 1.0, "percent": 100.0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
  """What is scored."""
  name: str  # the heading
  split: str = "test"  # the scored split
  # Of the config, beside the row's.
  arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  # Where in the record's scores the number is, such as "miou" or
  # "per_class_iou.nose"; empty for the table's. It may be a list of numbers, of
  # repetitions within the run.
  metric: str = ""
  labels: int | None = None  # labeled images, for curves; None outside of them
  group: str = ""  # data set of a curve, such as "NLM"
  domain: str = "in"  # "in" or "out", for curves


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
  """A method."""
  # name, setting: as the source calls them.
  name: str
  setting: str = ""
  config: str = ""  # its file; empty for a row of published numbers only
  # Of the config.
  arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  # Changed fields, {"gan.steps": 100}; also of runs of this config that `needs`
  # names.
  overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  # Fields that name a file of converted weights, by file name.
  files: Mapping[str, str] = dataclasses.field(default_factory=dict)
  # Stages that this row's runs take over from another run, each {"stage",
  # "config", "arguments"}: with the same seed unless the arguments have one; as
  # a link, unless a "field" of the config takes the other run's folder.
  needs: tuple[Mapping[str, Any], ...] = ()
  # The command that scores a run and leaves its records.
  evaluate: str = "eval"
  # Fields that are changed for this command alone.
  scoring: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  method: str = ""  # name of its scores in the records
  # Whether others are compared with it in numbers of labels.
  baseline: bool = False
  # A number or None for each column, in the table's unit.
  published: tuple[float | None, ...] = ()
  source: str = ""  # key of the table's sources
  status: str = "seen"  # "seen" in the source, or only "recalled": no target
  confidence: str = ""  # high, medium or low
  note: str = ""  # what a reader has to know about the row


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
  """See the module; `name` is the file's."""
  name: str
  # title, paper: for the caption; paper is empty for a table of our own.
  title: str
  paper: str = ""
  # metric, unit: of all columns that name no other; records hold fractions.
  metric: str = "miou"
  unit: str = "fraction"
  seeds: tuple[int, ...] = (0, 1, 2)  # of the runs
  spread_over: str = ""  # what the values of a cell are of, if not the seeds
  data: bool = True  # whether the data set is read from files
  columns: tuple[Column, ...]
  rows: tuple[Row, ...]
  # Where the published numbers were seen.
  sources: Mapping[str, str] = dataclasses.field(default_factory=dict)
  notes: tuple[str, ...] = ()  # what a reader has to know

  @property
  def scale(self) -> float:
    """What a record's fraction is multiplied by."""
    return UNITS[self.unit]


class Need(NamedTuple):
  """A stage of another run; see `Row.needs`."""
  stage: str
  run: "Run"
  field: str = ""


@dataclasses.dataclass(frozen=True)
class Run:
  """One training with its evaluation; equal runs of tables are done once."""
  config: str  # the config's file
  # (name, value) pairs; True is a bare word.
  arguments: tuple[tuple[str, Any], ...] = ()
  overrides: tuple[tuple[str, Any], ...] = ()  # sorted (field, value) pairs
  files: tuple[tuple[str, str], ...] = ()  # sorted (field, file name) pairs
  needs: tuple[Need, ...] = ()
  evaluate: str = "eval"  # the command that scores it
  # Sorted (field, value) pairs, changed for this command alone.
  scoring: tuple[tuple[str, Any], ...] = ()

  @property
  def argument(self) -> str:
    """The text after the config's colon."""
    return ",".join(n if v is True else f"{n}={v}" for n, v in self.arguments)

  @property
  def study(self) -> str:
    """The study that scores the run; "" for the ordinary evaluation."""
    return self.flags.get("study", "")

  @property
  def flags(self) -> dict[str, str]:
    """{name: value} of the command's flags."""
    return dict(x.removeprefix("--").split("=", 1)
                for x in self.evaluate.split() if "=" in x)

  @property
  def folder(self) -> str:
    """Where the run lies below the folder of all runs; states what it is."""
    parts = [self.argument or "default"]
    for name, value in self.overrides:
      if not name.startswith("data."):
        several = isinstance(value, list | tuple)
        shown = "+".join(map(str, value)) if several else value
        parts.append(f"{name}={shown}")
    config = self.config.removeprefix("configs/").removesuffix(".py")
    return f"{config}/{','.join(parts)}"


def parse(name: str, fields: Mapping[str, Any]) -> Table:
  """Checks what a table's file gives.

  Raises ValueError: names the table and the row or field that is wrong.
  """
  fields = dict(fields)
  try:
    columns = tuple(Column(**c) for c in fields.pop("columns"))
    rows = tuple(Row(**r) for r in fields.pop("rows"))
    table = Table(name=name, columns=columns, rows=rows, **fields)
  except (KeyError, TypeError) as error:
    raise ValueError(f"table {name!r}: {error}") from error
  if table.unit not in UNITS:
    raise ValueError(f"table {name!r}: unit {table.unit!r} is none of "
                     f"{', '.join(UNITS)}")
  for row in rows:
    problem = _problem(table, row)
    if problem:
      raise ValueError(f"table {name!r}, row {row.name!r}: {problem}")
  return table


def _problem(table, row) -> str:
  if row.published:
    if len(row.published) != len(table.columns):
      return (f"{len(row.published)} published values for "
              f"{len(table.columns)} columns")
    if row.source not in table.sources:
      return f"source {row.source!r} is not among the table's sources"
    if row.status not in STATUSES:
      return f"status {row.status!r} is none of {', '.join(STATUSES)}"
    if not all(v is None or math.isfinite(v) for v in row.published):
      return "a published value is not finite"
  if row.config and not row.method:
    return "it has a config, but no method to read from its records"
  return ""


def run_of(row: Row, column: Column, seed: int) -> Run | None:
  """The run behind a cell; None where there are published numbers only."""
  if not row.config:
    return None
  # As last, unless it is given.
  with_seed = lambda arguments: tuple(
      {**dict(_pairs(arguments)), "seed": arguments.get("seed", seed)}.items())
  def needed(config, arguments):
    # Which stages of it are trained, `jobs` knows.
    own = ("stages", *(("data.num_labeled",) if "labels" in arguments else ()))
    overrides = {k: v for k, v in row.overrides.items()
                 if k not in own} if config == row.config else {}
    return Run(config, with_seed(arguments), _pairs(overrides),
               _pairs(row.files))

  needs = tuple(
      Need(n["stage"], needed(n["config"], n.get("arguments", {})),
           n.get("field", "")) for n in row.needs)
  return Run(row.config, with_seed({**row.arguments, **column.arguments}),
             _pairs(row.overrides), _pairs(row.files), needs, row.evaluate,
             _pairs(row.scoring))


def runs(table: Table) -> dict[Run, tuple[str, ...]]:
  """Every run of a table and the splits it is scored on, needed ones first."""
  return {run: tuple(dict.fromkeys(split for split, _ in read))
          for run, read in scores(table).items()}


def scores(table: Table) -> dict[Run, tuple[tuple[str, str], ...]]:
  """Every run of a table, as of `runs`, and what is read: (split, method)."""
  of_run: dict[Run, dict[tuple[str, str], None]] = {}
  for seed, row, column in itertools.product(
      table.seeds, table.rows, table.columns):
    run = run_of(row, column, seed)
    if run is None:
      continue
    for need in run.needs:
      of_run.setdefault(need.run, {})
    of_run.setdefault(run, {})[column.split, row.method] = None
  return {run: tuple(read) for run, read in of_run.items()}


def _pairs(mapping) -> tuple:
  return tuple(sorted(mapping.items()))

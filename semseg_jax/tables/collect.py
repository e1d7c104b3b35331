"""The cells of a table, read from records alone."""

from collections.abc import Callable
from collections.abc import Sequence
import pathlib
from typing import NamedTuple

import numpy as np

from semseg_jax import stages as stage_table
from semseg_jax.evaluation import pretraining
from semseg_jax.evaluation import record as records
from semseg_jax.tables import definition
from semseg_jax.tables import label_curve

_ALIKE = 6  # fields that may differ in a near miss
# What differs between the config of a record and that of a run.
Unlike = Callable[[dict, dict], Sequence]


class UnfinishedError(records.RecordMismatchError):
  """A record was made before the training had finished."""


class Cell(NamedTuple):
  """The value of each seed that has a record, and the published one."""
  values: tuple[float, ...]
  published: float | None

  @property
  def mean(self) -> float | None:
    return float(np.mean(self.values)) if self.values else None

  @property
  def spread(self) -> float | None:
    """Standard deviation over seeds; None for fewer than two."""
    if len(self.values) < 2:
      return None
    return float(np.std(self.values, ddof=1))


class Results(NamedTuple):
  """A table with its cells [rows][columns].

  missing_configs: files that rows name and that do not exist.
  mixed: rows that ought to share a generator or a data set and do not, a text
    for each one.
  pretrained: for each row what its networks were pretrained on; "" for random
    weights, None where the row has no run.
  used: the records that cells were read from.
  """
  table: definition.Table
  cells: tuple[tuple[Cell, ...], ...]
  missing_configs: tuple[str, ...]
  pretrained: tuple[str | None, ...]
  mixed: tuple[str, ...] = ()
  used: tuple[records.Record, ...] = ()


def results(table: definition.Table,
            config_of: Callable[[definition.Run], dict], root: pathlib.Path,
            elsewhere: Sequence[records.Entry] = (),
            unlike: Unlike = records.differences) -> Results:
  """Reads the records of a table's runs.

  Args:
    config_of: a run's config as nested dicts; FileNotFoundError where its
      file does not exist.
    root: folder of all runs.
    elsewhere: records of runs that lie in other folders.
    unlike: (config of a record elsewhere, of a run) -> what differs; nothing
      where the one counts as the other's.

  Raises:
    records.RecordMismatchError: a record is of another config, or was made
      before the training had finished.
    ValueError: a record lacks the row's method or the column's metric.
  """
  configs, missing, shared, used = {}, [], {}, {}
  for run in definition.runs(table):
    try:
      configs[run] = config_of(run)
    except FileNotFoundError:
      missing.append(run.config)

  def cell(row, i, column):
    values = []
    # Once each: a row's own seed takes the place of the table's.
    for run in dict.fromkeys(
        definition.run_of(row, column, seed) for seed in table.seeds):
      if run in configs:
        located = find_record(root, run, column.split, configs[run], elsewhere,
                              method=row.method, unlike=unlike)
        if not located:
          continue
        used[located.where] = located.record
        values += _scores(table, row, column, *located)
        for what, which in (
            ("generator", _generator(run)),
            # Of a folder the config does not tell which.
            ("data_set", configs[run].get("data", {}).get("name"))):
          if known := located.record.extra.get(what):
            shared.setdefault((what, which), {}).setdefault(
                tuple(sorted(known.items())), {})[row.name] = None
    published = row.published[i] if row.published else None
    return Cell(tuple(values), published)

  cells = tuple(
      tuple(cell(row, i, column) for i, column in enumerate(table.columns))
      for row in table.rows)

  def pretrained(row):
    runs = (definition.run_of(row, column, table.seeds[0])
            for column in table.columns)
    of_runs = [pretraining.words(configs[run], row.method)
               for run in runs if run in configs]
    return "; ".join(filter(None, dict.fromkeys(of_runs))) if of_runs else None

  return Results(table, cells, tuple(dict.fromkeys(missing)),
                 tuple(pretrained(row) for row in table.rows),
                 tuple(f"{what.replace('_', ' ')}: "
                       + " / ".join(map(", ".join, of.values()))
                       for (what, _), of in shared.items() if len(of) > 1),
                 tuple(used.values()))


def _generator(run):
  """What names the generator that a run takes from another."""
  needed = [n.run for n in run.needs if n.field == "labels.run"]
  return needed[0] if needed else dict(run.arguments).get("run", "")


def find_record(root: pathlib.Path, run: definition.Run, split: str,
                config: dict, elsewhere: Sequence[records.Entry] = (), *,
                method: str = "", unlike: Unlike = records.differences
                ) -> records.Entry | None:
  """A run's finished record of a split; None without one.

  A record in the run's own folder comes first, then the newest elsewhere.

  Args:
    root, elsewhere, unlike: see `results`.
    split: what was scored.
    method: whose scores a record elsewhere must have.

  Raises:
    records.RecordMismatchError: the one in its own folder is of another config.
    UnfinishedError: that one was made before the training had finished.
  """
  # Second where former versions had those of studies.
  for part in dict.fromkeys((run.study, "")):
    own = root / run.folder / part / "eval" / split
    try:
      record = records.load(own)
    except FileNotFoundError:
      continue
    if record.study != run.study or _other_flags(record.extra, run):
      continue
    where = str(own / "record.json")
    records.check_config(where, record.config, config)
    if fault := _unfinished(record, config, run):
      raise UnfinishedError(f"{where} was {fault}")
    return records.Entry(where, record)
  for entry in elsewhere:
    record = entry.record
    if ((record.split, record.study) == (split, run.study) and (
        not method or method in record.methods)
        and not unlike(record.config, config)
        and not _other_flags(record.extra, run)
        and not _unfinished(record, record.config, run)):
      return entry
  return None


def near_misses(
    table: definition.Table, config_of: Callable[[definition.Run], dict],
    root: pathlib.Path, elsewhere: Sequence[records.Entry],
    unlike: Unlike = records.differences) -> list[str]:
  """Records that are nobody's, though some run that has none is like them.

  Args:
    table, config_of, root, elsewhere, unlike: see `results`.

  Returns a line for each such record: the run most like it, and what differs.
  """
  left, missing, lines = {x.where: x.record for x in elsewhere}, [], []
  for run, splits in definition.runs(table).items():
    try:
      config = config_of(run)
    except FileNotFoundError:
      continue
    for split in splits:
      located = find_record(root, run, split, config, elsewhere, unlike=unlike)
      if located:
        left.pop(located.where, None)
      else:
        missing.append((run, split, config))
  for where, record in left.items():
    fields, run = min(
        (([*unlike(record.config, config), *_other_flags(record.extra, run)],
          run)
         for run, split, config in missing
         if (split, run.study) == (record.split, record.study)),
        key=lambda x: len(x[0]), default=((), None))
    other_data = any(name == "data.name" for name, *_ in fields)
    if run and len(fields) <= _ALIKE and not other_data:
      shown = "; ".join(f"{name}: {old} there, {new} in the table"
                        for name, old, new in fields)
      lines.append(f"{where} is not {run.config}:{run.argument}: " + (
          shown or "made before its training had finished"))
  return lines


def _other_flags(extra: dict, run: definition.Run) -> list[tuple]:
  """[(flag, value there, value of the run's command)] that differ.

  Args:
    extra: of a record; in former versions it lacks some.
    run: whose command gives the flags.
  """
  text = lambda x: ",".join(map(str, x)) if isinstance(x, list) else str(x)
  return [(f"--{name}", text(extra[name]), value)
          for name, value in run.flags.items()
          if name in extra and text(extra[name]) != value]


def _unfinished(record: records.Record, config: dict,
                run: definition.Run) -> str:
  """What to say of a record made before its training's end; else ""."""
  scoring = {field for field, _ in run.scoring}  # not what was trained
  for stage, step in record.extra.get("finished_steps", {}).items():
    wanted = wanted_steps(config, stage, scoring)
    # 0: a stage that only computes; its config's steps are something else.
    if step is None or (step and wanted and step != wanted):
      return (f"made when stage {stage!r} had not finished its {wanted or ''} "
              "steps; evaluate again after training")
  return ""


def wanted_steps(config: dict, stage: str, scoring=()) -> int:
  """Steps that a config asks of a stage; 0: not known.

  Args:
    config: nested dicts.
    stage: its name.
    scoring: fields that were changed after the training.
  """
  field = stage_table.steps_field(config.get("method", ""), stage)
  block, _, name = field.partition(".")
  return 0 if field in scoring else (config.get(block) or {}).get(name, 0)


def _scores(table, row, column, where, record) -> list[float]:
  """The column's numbers in a record; none where it is not defined."""
  where = f"{where}, row {row.name!r} of {table.name!r}"
  if row.method not in record.methods:
    raise ValueError(f"{where}: no method {row.method!r}; the record has "
                     f"{', '.join(record.methods)}")
  metric = column.metric or table.metric
  value = record.methods[row.method]
  for name in metric.split("."):
    if not isinstance(value, dict) or name not in value:
      raise ValueError(f"{where}: no metric {metric!r}")
    value = value[name]
  values = value if isinstance(value, list) else [value]
  return [x * table.scale for x in values if x is not None]


def curves(results: Results, group: str, *, published: bool):
  """row number -> points over labels, of the columns of `group`.

  Recalled numbers are left out.
  """
  table, points_of = results.table, {}
  for i, (row, cells) in enumerate(zip(table.rows, results.cells,
                                       strict=True)):
    points = []
    for column, cell in zip(table.columns, cells, strict=True):
      value = cell.published if published else cell.mean
      usable = not published or row.status == "seen"
      if column.group == group and column.labels and usable and (
          value is not None):
        spread = 0.0 if published else cell.spread or 0.0
        points.append(label_curve.Point(column.labels, value, spread))
    if points:
      points_of[i] = sorted(points)
  return points_of


def groups(table: definition.Table) -> dict[str, str]:
  """Data set -> "in" or "out", where a table has curves; else empty."""
  domains = {c.group: c.domain for c in table.columns if c.labels and c.group}
  counts = {c.labels for c in table.columns if c.labels}
  return domains if len(counts) > 1 else {}


def row_name(table: definition.Table, row: definition.Row) -> str:
  """The row's name, with its setting where several rows share the name."""
  shared = [r.name for r in table.rows].count(row.name) > 1
  return f"{row.name} ({row.setting})" if shared else row.name


def group_name(group: str, domain: str) -> str:
  """A data set's name with its domain."""
  where = {"in": "in domain", "out": "out of domain"}[domain]
  return group if where in group else f"{group} ({where})"


def fewer_labels(results: Results) -> list[dict]:
  """Rows (method, data set, labels, one column a baseline) for `markdown`.

  Each entry is "measured / published" as a `label_curve.Factor`; so are the
  labels, where the fewest differ. Baselines, full supervision and rows of
  published numbers only are not listed as methods.
  """
  table, rows = results.table, []
  baselines = [i for i, row in enumerate(table.rows) if row.baseline]
  for group, domain in groups(table).items():
    kinds = [curves(results, group, published=p) for p in (False, True)]
    for i, row in enumerate(table.rows):
      # Full supervision has all labels, whatever its column says.
      if row.baseline or not row.config or row.method == "fully_supervised" or (
          not any(i in k for k in kinds)):
        continue
      counts = [k[i][0].labels for k in kinds if i in k]
      shown = {
          "Method": row_name(table, row),
          "Data set": group_name(group, domain),
          "Labels": counts[0] if len(set(counts)) == 1 else " / ".join(
              map(str, counts))}
      for b in baselines:
        factors = [
            str(label_curve.fewer_labels(k[i][0], k[b]))
            if i in k and b in k else "-" for k in kinds]
        shown[f"vs {table.rows[b].name}"] = " / ".join(
            factors if any(r.published for r in table.rows) else factors[:1])
      if any(shown[f"vs {table.rows[b].name}"].strip("-/ ")
             for b in baselines):
        rows.append(shown)
  return rows

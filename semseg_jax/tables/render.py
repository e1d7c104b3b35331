"""A filled table as Markdown, CSV and plot, and into a document."""

from collections.abc import Sequence
import csv
import dataclasses
import functools
import io
import pathlib
import re

import numpy as np

from semseg_jax.evaluation import figures
from semseg_jax.evaluation import record as records
from semseg_jax.evaluation import tables
from semseg_jax.tables import collect
from semseg_jax.tables import definition
from semseg_jax.tables import label_curve
from semseg_jax.tables import runs
from semseg_jax.training import run_dir


def markdown(results: collect.Results, *, brief: bool = False) -> str:
  """The table, the labels saved, notes and sources.

  Args:
    results: the filled table.
    brief: leave out who saves no labels.
  """
  table = results.table
  compared = any(row.published for row in table.rows)
  rows = []
  for row, cells, pretrained in zip(
      table.rows, results.cells, results.pretrained, strict=True):
    shown = {"Method": row.name, "Setting": row.setting}
    if any(results.pretrained):
      shown["Pretrained"] = "" if pretrained is None else pretrained or "no"
    for column, cell in zip(table.columns, cells, strict=True):
      shown[column.name] = _cell_text(table, row, cell, compared)
    rows.append(shown)
  parts = [tables.markdown(rows), _caption(table, compared)]
  saved = collect.fewer_labels(results)
  if brief:
    saved = [row for row in saved if any(
        part.strip()[:1] not in "-<" for name, text in row.items()
        if name.startswith("vs ") for part in text.split("/"))]
  if saved:
    parts += [
        "How many times fewer labels than a baseline, at the method's fewest "
        "labels (the baseline's curve is interpolated in the logarithm of the "
        "number of labels; `>`: it never gets there; `<=`: its fewest labels "
        "suffice):", tables.markdown(saved)]
  notes = "\n".join(f"* {note}" for note in _notes(results))
  return "\n\n".join([*parts, notes] if notes else parts)


def block(results: collect.Results) -> str:
  """The same for a document: without what has no number or saves no labels.

  There is at least one number.
  """
  table, cells = results.table, results.cells
  there = [[bool(c.values) or c.published is not None for c in row]
           for row in cells]
  rows = [i for i, row in enumerate(there) if any(row)]
  columns = [j for j, column in enumerate(zip(*there, strict=True))
             if any(column)]
  names = [collect.row_name(table, row)
           for i, row in enumerate(table.rows) if i not in rows]
  names += [c.name for j, c in enumerate(table.columns) if j not in columns]
  shown = results._replace(
      table=dataclasses.replace(
          table, rows=tuple(table.rows[i] for i in rows),
          columns=tuple(table.columns[j] for j in columns)),
      cells=tuple(tuple(cells[i][j] for j in columns) for i in rows),
      pretrained=tuple(results.pretrained[i] for i in rows))
  return f"**{table.title}**\n\n{markdown(shown, brief=True)}" + (
      f"\n* No record: {'; '.join(names)}." if names else "")


def _caption(table, compared):
  recalled = any(r.status == "recalled" and r.published for r in table.rows)
  return (
      "Mean ± standard deviation of our runs (n "
      + (table.spread_over or f"of {len(table.seeds)} seeds") + ")"
      + (", in %" if table.unit == "percent" else "")
      + (" / published number" if compared else "") + "; `-`: missing."
      + (" `?`: recalled, seen in no source." if recalled else ""))


def _notes(results) -> list[str]:
  table = results.table
  notes = list(table.notes)
  for row in table.rows:
    if row.note:
      setting = f" ({row.setting})" if row.setting else ""
      notes.append(f"{row.name}{setting}: {row.note}.")
  used = {row.source for row in table.rows if row.published}
  notes += [f"Source {key}: {table.sources[key]}." for key in table.sources
            if key in used]
  notes += [f"Not runnable yet: there is no {name}."
            for name in results.missing_configs]
  notes += [f"Not of one and the same {rows}." for rows in results.mixed]
  return notes


def _cell_text(table, row, cell, compared):
  measured = "-"
  if cell.values:
    spread = "" if cell.spread is None else f" ± {_number(table, cell.spread)}"
    measured = f"{_number(table, cell.mean)}{spread} (n={len(cell.values)})"
  if not compared:
    return measured
  if cell.published is None:
    return f"{measured} / -"
  recalled = "?" if row.status == "recalled" else ""
  published = _number(table, cell.published, published=True)
  return f"{measured} / {published}{recalled}"


def _number(table, value, *, published=False):
  if table.unit == "fraction":
    return f"{value:.4f}"
  return f"{value:g}" if published else f"{value:.2f}"


def as_csv(results: collect.Results) -> str:
  """One line a cell: names, measured, published with source and status."""
  table = results.table
  out = io.StringIO()
  writer = csv.writer(out, lineterminator="\n")
  writer.writerow((
      "table", "method", "setting", "column", "split", "metric", "unit",
      "labels", "mean", "std", "n", "published", "status", "confidence",
      "source"))
  blank = lambda value: "" if value is None else value
  for row, cells in zip(table.rows, results.cells, strict=True):
    for column, cell in zip(table.columns, cells, strict=True):
      seen = (row.status, row.confidence, row.source) if (
          cell.published is not None) else ("", "", "")
      writer.writerow((
          table.name, row.name, row.setting, column.name, column.split,
          column.metric or table.metric, table.unit, blank(column.labels),
          blank(cell.mean), blank(cell.spread), len(cell.values),
          blank(cell.published), *seen))
  return out.getvalue()


def plot(results: collect.Results) -> np.ndarray | None:
  """Curves over labels where a table has them, else one position a column."""
  table = results.table
  groups = collect.groups(table)
  if groups:
    panels = []
    for group, domain in groups.items():
      measured, published = (
          {collect.row_name(table, table.rows[i]): points
           for i, points in collect.curves(
               results, group, published=p).items()} for p in (False, True))
      if measured or published:
        title = collect.group_name(group, domain)
        panels.append(label_curve.draw(
            measured, title=f"{table.title}: {title}", published=published))
    return figures.stack(panels) if panels else None
  measured, published = {}, {}
  for row, cells in zip(table.rows, results.cells, strict=True):
    name = collect.row_name(table, row)
    measured[name] = [label_curve.Point(x, c.mean, c.spread or 0.0)
                      for x, c in enumerate(cells) if c.values]
    published[name] = [label_curve.Point(x, c.published)
                       for x, c in enumerate(cells)
                       if c.published is not None and row.status == "seen"]
  if not any([*measured.values(), *published.values()]):
    return None
  return label_curve.panel(
      measured, published, title=table.title, across="",
      size=(max(760, 90 * len(table.columns) + 300), 320),
      x_ticks={x: c.name for x, c in enumerate(table.columns)})


def replace_block(text: str, name: str, block: str) -> str:
  """`text` with the block of table `name` replaced.

  The block stands between the lines `<!-- table:NAME -->` and
  `<!-- /table -->`, which stay.

  Raises ValueError: the markers are not there exactly once.
  """
  pattern = re.compile(
      rf"(<!-- table:{re.escape(name)} -->\n)(?:(?!<!-- table:).)*?"
      r"(<!-- /table -->)", re.DOTALL)
  blocks = pattern.findall(text)
  if len(blocks) != 1:
    raise ValueError(
        f"{len(blocks)} blocks of table {name!r}: the lines "
        f"<!-- table:{name} --> and <!-- /table --> must stand there once")
  return pattern.sub(lambda m: f"{m[1]}\n{block}\n\n{m[2]}", text)


def with_block(tables: Sequence[definition.Table], document: pathlib.Path
               ) -> list[definition.Table]:
  """The tables that have a block in a document."""
  text = document.read_text()
  return [t for t in tables if f"<!-- table:{t.name} -->" in text]


def from_records(table: definition.Table, folders: runs.Folders, *,
                 out: pathlib.Path, into: pathlib.Path | None = None,
                 keep: pathlib.Path | None = None) -> list[pathlib.Path]:
  """Writes a table from its runs' records.

  Args:
    folders: where the records are.
    out: folder for NAME.md, NAME.csv, NAME.png.
    into: a document whose block of this table is replaced; left as it is
      where there is no record.
    keep: folder for NAME.records.jsonl, the records that the table was made
      from; left as it is where there is none.

  Returns what was written.
  """
  results = collect.results(
      table, functools.partial(runs.plain_config, folders=folders, table=table),
      folders.root, folders.elsewhere, runs.unlike)
  paths = list(write(results, out))
  if keep and results.used:
    paths.append(keep / f"{table.name}.records.jsonl")
    records.keep(paths[-1], results.used)
  if into and any(cell.values for row in results.cells for cell in row):
    run_dir.write_bytes(into.resolve(), replace_block(
        into.read_text(), table.name, block(results)).encode())
    paths.append(into)
  return paths


def write(results: collect.Results, folder: pathlib.Path
          ) -> Sequence[pathlib.Path]:
  """Writes NAME.md, NAME.csv and, if there is a number, NAME.png."""
  table = results.table
  folder.mkdir(parents=True, exist_ok=True)
  paths = [folder / f"{table.name}.md", folder / f"{table.name}.csv"]
  heading = f"# {table.title}\n\n" + (f"{table.paper}\n\n" if table.paper
                                      else "")
  run_dir.write_bytes(
      paths[0], (heading + markdown(results) + "\n").encode())
  run_dir.write_bytes(paths[1], as_csv(results).encode())
  image = plot(results)
  if image is not None:
    paths.append(folder / f"{table.name}.png")
    figures.save(paths[-1], image)
  return paths

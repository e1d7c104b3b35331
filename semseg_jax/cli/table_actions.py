"""What `cli.table` does: rows and seeds chosen, tables rendered."""

import ast
from collections.abc import Sequence
import dataclasses
import functools
import pathlib

from semseg_jax.cli import table_runs
from semseg_jax.evaluation import paper_table
from semseg_jax.evaluation import table_render
from semseg_jax.evaluation import table_results


def chosen(
    table: paper_table.Table, *, rows: Sequence[str], seeds: Sequence[int]
) -> paper_table.Table:
  """The table with runs of these rows and seeds only; empty means all.

  Raises:
    ValueError: it has no such row.
  """
  if seeds:
    table = dataclasses.replace(table, seeds=tuple(seeds))
  if not rows:
    return table
  unknown = set(rows) - {row.name for row in table.rows}
  if unknown:
    raise ValueError(f"table {table.name!r} has no row {min(unknown)!r}; it "
                     f"has {', '.join(row.name for row in table.rows)}")
  return dataclasses.replace(table, rows=tuple(
      row if row.name in rows
      else dataclasses.replace(row, config="") for row in table.rows))


def overrides(texts: Sequence[str]) -> dict:
  """{field: value} of FIELD=VALUE texts, values as Python writes them."""
  fields = {}
  for text in texts:
    field, equals, value = text.partition("=")
    if not equals:
      raise ValueError(f"--config={text}: write --config.FIELD=VALUE")
    try:
      fields[field] = ast.literal_eval(value)
    except (SyntaxError, ValueError):
      fields[field] = value
  return fields


def render(
    table: paper_table.Table, folders: table_runs.Folders, *,
    out: pathlib.Path, into: pathlib.Path | None = None,
) -> list[pathlib.Path]:
  """Writes a table from its runs' records.

  Args:
    table: which.
    folders: where the records are.
    out: folder for NAME.md, NAME.csv, NAME.png.
    into: a document whose block of this table is replaced.

  Returns:
    What was written.
  """
  results = table_results.collect(
      table,
      _config_of(table, folders), folders.root, folders.elsewhere,
      table_runs.unlike)
  paths = list(table_render.write(results, out))
  if into:
    into.write_text(table_render.replace_block(
        into.read_text(), table.name, table_render.block(results)))
    paths.append(into)
  return paths


def with_block(
    tables: Sequence[paper_table.Table], document: pathlib.Path
) -> list[paper_table.Table]:
  """The tables that have a block in a document."""
  text = document.read_text()
  return [t for t in tables if f"<!-- table:{t.name} -->" in text]


def _config_of(table, folders):
  return functools.partial(
      table_runs.plain_config, folders=folders, table=table)


def near_misses(table: paper_table.Table, folders: table_runs.Folders):
  """See `table_results.near_misses`."""
  return table_results.near_misses(
      table, _config_of(table, folders), folders.root, folders.elsewhere,
      table_runs.unlike)

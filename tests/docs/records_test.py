"""Tables in the docs are what their kept records render."""

import pathlib

import pytest

from semseg_jax.evaluation import record as records
from semseg_jax.tables import render
from semseg_jax.tables import runs

KEPT = sorted(pathlib.Path("docs/records").glob("*.records.jsonl"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_table_is_what_its_records_render(path, tmp_path):
  table = runs.load(path.name.removesuffix(".records.jsonl"))
  page = pathlib.Path("docs/results.md").read_text()
  document = tmp_path / "page.md"
  document.write_text(render.replace_block(page, table.name, "emptied"))
  folders = runs.Folders(
      tmp_path, elsewhere=records.below([path.parent]))
  render.from_records(
      table, folders, out=tmp_path, into=document, keep=tmp_path)
  assert document.read_text() == page
  # Every record is some cell's, none holds a path of a machine.
  assert (tmp_path / path.name).read_bytes() == path.read_bytes()

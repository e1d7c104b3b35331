"""Tables in the docs are what their kept records render."""

import pathlib
import re

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


def test_every_table_has_kept_records():
  page = pathlib.Path("docs/results.md").read_text()
  assert {f"{name}.records.jsonl" for name in re.findall(
      r"<!-- table:(\w+) -->", page)} == {path.name for path in KEPT}


# Rows of README's table: the table behind it and its splits, in their order.
SHOWN = {
    "procedural faces": ("toy_faces", ("test", "ood_test")),
    "chest X-rays": ("chest_xray", ("test", "ood_window")),
    "skin lesions": ("skin_lesion", ("test", "ood_dermis", "ood_dermquest"))}


def _rows(text):
  """[{column: cell}] of the first Markdown table in a text."""
  table = re.search(r"(?m)(^\|.*\n)+", text)[0]
  names, _, *rows = ([cell.strip(" *") for cell in line.strip("|").split("|")]
                     for line in table.splitlines())
  return [dict(zip(names, row, strict=True)) for row in rows]


def test_results_in_readme_are_those_of_the_tables():
  page = pathlib.Path("docs/results.md").read_text()
  readme = pathlib.Path("README.md").read_text().split("\n## Results\n")[1]
  shown = _rows(readme.split("\n## ")[0])
  assert {row["images, 64 px"].split(" / ")[0] for row in shown} == set(SHOWN)
  for row in shown:
    table, splits = SHOWN[row["images, 64 px"].split(" / ")[0]]
    there = _rows(page.split(f"<!-- table:{table} -->")[1].split(
        "<!-- /table -->")[0])
    for method in ("U-Net", "encoder", "inversion", "distilled"):
      name = method if method == "U-Net" else f"SemanticGAN, {method}"
      of_method, = (
          r for r in there
          if r["Method"].removesuffix(" on EfficientNet-Lite") == name)
      cells = [of_method[f"{split} @ {row['labels']}"] for split in splits]
      assert all("(n=3)" in cell for cell in cells)
      means = [float(cell.split()[0]) for cell in cells]
      written = [float(x) for x in row[method].replace("*", "").split(" / ")]
      # Both are rounded, by half a unit of their last digits.
      assert written == pytest.approx(means, abs=5.6e-4), (table, method)

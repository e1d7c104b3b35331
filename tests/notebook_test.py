"""The notebook's cells, as they are, on the shipped model."""

import json
import pathlib

import numpy as np
from PIL import Image
import pytest

PATH = (pathlib.Path(__file__).resolve().parents[1]
        / "examples/segment_your_images.ipynb")


def cells() -> list[dict]:
  return [x for x in json.loads(PATH.read_text())["cells"]
          if x["cell_type"] == "code"]


def test_outputs_are_stripped():
  assert all(not x["outputs"] and x["execution_count"] is None
             for x in cells())


def test_cells_run_on_the_shipped_model(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv("MPLBACKEND", "agg")
  names = {}
  for number, cell in enumerate(cells()):
    source = "".join(cell["source"])
    exec(compile(source, f"cell {number}", "exec"), names)
  assert len(names["result"].labels) == 4
  assert set(np.unique(names["result"].labels)) >= {0, 1, 2}  # parts are there
  written = np.asarray(Image.open(tmp_path / "labels/0_index.png"))
  np.testing.assert_array_equal(written, names["result"].labels[0])


def test_a_folder_without_images_is_named(tmp_path):
  load, *_, read = ("".join(x["source"]) for x in cells()[:3])
  names = {}
  exec(load.replace('IMAGES = ""', f"IMAGES = {str(tmp_path)!r}"), names)
  names["pathlib"] = pathlib
  with pytest.raises(AssertionError, match=f"no images in {tmp_path}"):
    exec(read, names)

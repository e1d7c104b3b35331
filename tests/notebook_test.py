"""The notebook's cells on the model that the package ships."""

import json
import pathlib

import numpy as np
from PIL import Image
import pytest

from semseg_jax.training import exported

PATH = (pathlib.Path(__file__).resolve().parents[1]
        / "examples/segment_your_images.ipynb")


def cells() -> list[dict]:
  return [x for x in json.loads(PATH.read_text())["cells"]
          if x["cell_type"] == "code"]


def test_outputs_are_stripped():
  assert all(not x["outputs"] and x["execution_count"] is None
             for x in cells())


@pytest.mark.skipif("toy_faces" not in exported.shipped(),
                    reason="no model is shipped")
def test_cells_run_on_the_shipped_model(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv("MPLBACKEND", "agg")
  names = {}
  for number, cell in enumerate(cells()):
    source = "".join(cell["source"])
    exec(compile(source, f"cell {number}", "exec"), names)
  assert len(names["result"].labels) == 4
  written = np.asarray(Image.open(tmp_path / "labels/0_index.png"))
  np.testing.assert_array_equal(written, names["result"].labels[0])

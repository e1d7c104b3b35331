"""The table of shots and the ablation of layers, on a random generator."""

import json

import pytest

from semseg_jax.cli import few_shot_table
from semseg_jax.cli import layer_ablation
from semseg_jax.evaluation import figures
from semseg_jax.methods.repurpose_gan import segmenter
from semseg_jax.training import loop
from tests.methods import repurpose as toy


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  folder = tmp_path_factory.mktemp("run")
  config = toy.config(folder, **{"shots.source": "projected"})
  return config, folder


@pytest.mark.slow
def test_table_is_whole_and_nothing_is_done_twice(run, monkeypatch):
  config, folder = run
  options = dict(shots=[1, 2], segmenters=["linear", "mlp"], draws=2)
  rows = few_shot_table.write(config, folder, **options)
  assert json.loads((folder / "table/table.json").read_text())["rows"] == rows
  assert [(r["shots"], r["method"].partition(",")[0], len(r["draws"]))
          for r in rows] == [
      (k, *x) for k in (1, 2) for x in (
          ("inversion", 2), ("inversion", 2), ("auto-shot", 1),
          ("supervised", 2))]
  assert all(0 <= r["miou"] <= 1 for r in rows)
  inverted = list((folder / "inversion").iterdir())
  monkeypatch.setattr(segmenter.projection.inversion.Inverter, "run", None)
  monkeypatch.setattr(loop.checkpoint.Checkpoints, "save", None)
  assert few_shot_table.write(config, folder, **options) == rows
  assert list((folder / "inversion").iterdir()) == inverted


@pytest.mark.slow
def test_ablation_has_every_layer_and_a_plot(run):
  config, folder = run
  rows = layer_ablation.write(config, folder, n=2)
  names = ["conv8_up", "conv8", "conv16_up", "conv16"]
  assert [(r["variant"], r["layer"]) for r in rows] == [
      ("all", ""), *(("only", n) for n in names),
      *(("without", n) for n in names)]
  assert figures.read(folder / "ablation/layers.png").shape == (320, 760, 3)

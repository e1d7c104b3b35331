"""The table of shots and the ablation of layers, on a random generator."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from semseg_jax.data import datasets
from semseg_jax.evaluation import figures
from semseg_jax.evaluation import record as records
from semseg_jax.methods import fully_supervised
from semseg_jax.methods.common import data
from semseg_jax.methods.common import generators
from semseg_jax.methods.repurpose_gan import segmenter
from semseg_jax.methods.repurpose_gan import shots
from semseg_jax.studies import cells as cells_lib
from semseg_jax.studies import few_shot
from semseg_jax.studies import layers
from semseg_jax.training import checkpoint
from semseg_jax.training import loop
from tests.methods import repurpose as toy


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  folder = tmp_path_factory.mktemp("run")
  config = toy.config(
      folder, **{"shots.source": "projected", "autoshot.styles": 2.0})
  return config, folder


@pytest.fixture(scope="module")
def annotated(tmp_path_factory):
  """(config, folder) of a run whose annotator is an untrained U-Net."""
  folder = tmp_path_factory.mktemp("annotated")
  config = toy.config(
      folder, stages=("fully_supervised", "segmenter", "autoshot"),
      **{"supervised.levels": 1})
  stage = fully_supervised.make(config, folder)
  with checkpoint.Checkpoints(folder / "fully_supervised/ckpt") as checkpoints:
    checkpoints.save(1, jax.jit(stage.init)(jax.random.key(0), {}), {})
  return config, folder


@pytest.mark.parametrize("name", ["run", "annotated"])
def test_fewer_shots_are_the_first_of_more(name, request):
  config, folder = request.getfixturevalue(name)
  generator = generators.load(config, folder, "a test")
  load = lambda **fields: shots.source(cells_lib.changed(
      config, **{f"shots.{k}": v for k, v in fields.items()}), folder).load(
          generator)
  few, many, other = load(count=1), load(count=3), load(count=3, trial=1)
  assert many.label.shape == (3, toy.SIZE, toy.SIZE)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[:1], atol=1e-5),
               few, many)
  assert (many.image != other.image).any()


def test_projected_shots_are_those_of_the_list_of_their_count(
    run, tmp_path, monkeypatch):
  config, folder = run
  whole = data.dataset(config)
  a, b = datasets.split(whole, "train_labeled").ids[:2]
  monkeypatch.setattr(data, "dataset", lambda config: dataclasses.replace(
      whole, lists={"labeled_1_seed0": [b], "labeled_2_seed0": [a, b]}))
  labels = {}
  monkeypatch.setattr(cells_lib, "_fit", lambda cell, frozen, *_: (
      labels.update({cell.name: frozen["label"]})))
  cells = [cells_lib.Cell(str(n), cells_lib.changed(
      config, **{"shots.count": n})) for n in (1, 2)]
  cells_lib.train_segmenters(cells, folder, tmp_path)
  np.testing.assert_array_equal(
      labels["1"], shots.source(cells[0].config, folder).load(None).label)
  np.testing.assert_array_equal(labels["1"], labels["2"][1:])


@pytest.mark.slow
def test_segmenters_do_not_depend_on_others_of_the_table(annotated, tmp_path):
  config, folder = annotated
  cells = [cells_lib.Cell(f"{kind}{count}{trial}", cells_lib.changed(
      config, **{"few_shot.kind": kind, "shots.count": count,
                 "shots.trial": trial}))
           for trial in (0, 1) for count in (1, 2)
           for kind in ("linear", "mlp")]
  cells_lib.train_segmenters(cells, folder, tmp_path / "all")
  loaded = [segmenter.load(c.config, tmp_path / "all" / c.name, "a test")
            for c in cells]
  cells_lib.train_segmenters(cells[-1:], folder, tmp_path / "one")
  jax.tree.map(
      np.testing.assert_array_equal, loaded[-1],
      segmenter.load(cells[-1].config, tmp_path / "one" / cells[-1].name,
                     "a test"))
  kernels = [f["conv0"]["kernel"] for f in loaded[::2]]
  assert all((a != b).any() for a, b in zip(kernels, kernels[1:], strict=False))


def test_a_segmenter_that_was_saved_but_not_marked_is_done(run, tmp_path):
  config, folder = run
  cell = cells_lib.Cell("cell", config)
  cells_lib.train_segmenters([cell], folder, tmp_path)
  done = tmp_path / "cell/segmenter/DONE"
  text = done.read_text()
  done.unlink()
  cells_lib.train_segmenters([cell], folder, tmp_path)
  assert done.read_text() == text


def test_painted_shots_have_one_trial(run):
  config, folder = run
  with pytest.raises(ValueError, match="--trials=2: painted"):
    few_shot.write(
        cells_lib.changed(config, **{"shots.source": "folder"}), folder,
        shots=[1], segmenters=["linear"], trials=2)


def test_a_table_without_validation_is_refused_before_training(run):
  config, folder = run
  with pytest.raises(ValueError, match="config.data.validation is empty"):
    few_shot.write(
        cells_lib.changed(config, **{"data.validation": ""}), folder,
        shots=[1], segmenters=["linear"], trials=1, updates=1)


@pytest.mark.slow
def test_table_is_whole_and_nothing_is_done_twice(run, monkeypatch):
  config, folder = run
  options = dict(shots=[1, 2], segmenters=["linear", "mlp"], trials=2,
                 baseline_trials=1, updates=4)
  rows = few_shot.write(config, folder, **options)
  assert json.loads((folder / "table/table.json").read_text())["rows"] == rows
  assert [(r["shots"], r["method"].partition(",")[0], len(r["trials"]))
          for r in rows] == [
      (k, *x) for k in (1, 2) for x in (
          ("inversion", 2), ("inversion", 2), ("auto-shot", 1),
          ("auto-shot in other styles", 1), ("supervised", 1))]
  for row in rows:
    assert row["miou"] == pytest.approx(
        np.mean(row["trials"]), abs=1e-3)
  record = records.load(folder / "few_shot/eval/test")
  assert record.study == "few_shot"
  assert {k: record.extra[k] for k in options} == options
  assert not (folder / "eval").exists()  # that is for `eval`
  assert not record.config["stages"]  # no generator was trained here
  assert set(record.methods) == {
      "inversion, linear", "inversion, mlp", "auto-shot",
      "auto-shot in other styles", "supervised"}
  assert len(record.methods["inversion, mlp"]["shots2"]["miou"]) == 2
  assert "segmenter" in record.methods["auto-shot"]["shots1"]
  assert "segmenter" in record.methods["auto-shot in other styles"]["shots2"]
  inverted = list((folder / "inversion").iterdir())
  monkeypatch.setattr(segmenter.projection.inversion.Inverter, "run", None)
  monkeypatch.setattr(loop.checkpoint.Checkpoints, "save", None)
  assert few_shot.write(config, folder, **options) == rows
  assert list((folder / "inversion").iterdir()) == inverted


@pytest.mark.parametrize(("shots", "segmenters", "said"), [
    ([0], ["linear"], "--shots=0: give"), ([3, -1], ["linear"], "--shots=3,-1"),
    ([], ["linear"], "--shots=: give"), ([1], [], "--segmenters= is empty")])
def test_a_table_of_nothing_is_refused_at_once(shots, segmenters, said):
  with pytest.raises(ValueError, match=said):
    few_shot.write(None, "absent", shots=shots, segmenters=segmenters)


@pytest.mark.slow
def test_ablation_has_every_layer_and_a_plot(annotated):
  config, folder = annotated
  rows = layers.write(config, folder, n=2)
  names = ["conv8_up", "conv8", "conv16_up", "conv16"]
  assert [(r["variant"], r["layer"]) for r in rows] == [
      ("all", ""), *(("only", n) for n in names),
      *(("without", n) for n in names)]
  assert len({r["samples_miou"] for r in rows}) > 1
  assert figures.read(folder / "ablation/layers.png").shape == (640, 760, 3)

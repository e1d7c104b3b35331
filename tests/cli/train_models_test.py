"""The published models: which runs, in which order."""

import json
import pathlib

import pytest

from semseg_jax.cli import train_models
from semseg_jax.tables import definition
from semseg_jax.tables import runs


def test_one_run_of_images_serves_all_numbers_of_labels(monkeypatch):
  monkeypatch.syspath_prepend(
      str(pathlib.Path(__file__).resolve().parents[2]))
  runs = pathlib.Path("there")
  (images, folder), *others = train_models.jobs(
      "chest_xray", runs, pathlib.Path("packs"), ("0", "1"),
      ["gan.steps=7"])
  assert images.data.num_labeled == 0
  assert tuple(images.stages) == ("gan", "encoder")
  assert images.gan.steps == 7
  assert folder == runs / "chest_xray/images"
  assert len({folder for _, folder in others}) == len(others) == 8
  for config, _ in others:
    assert config.labels.run == str(folder)
    assert not {"gan", "encoder"} & set(config.stages)
    assert config.data.data_dir == "packs/chest_xray"
    assert config.data.augment.flip_labeled == 0
    assert config.data.augment.flip_unlabeled == 0
    assert "flip" not in tuple(config.gan.augment.policy)
  # The upper bound knows all labels: it is trained once.
  assert sum("fully_supervised" in c.stages for c, _ in others) == 1


def test_records_are_those_of_the_tables(monkeypatch):
  monkeypatch.syspath_prepend(
      str(pathlib.Path(__file__).resolve().parents[2]))
  data = pathlib.Path("packs")
  table = runs.load("chest_xray")
  folders = runs.Folders(pathlib.Path("runs"), str(data))
  wanted = {}
  for run in definition.runs(table):
    if "semantic_gan" not in run.config:  # the table's other baselines
      continue
    plain = runs.plain_config(run, folders, table)
    wanted[plain["data"]["num_labeled"], plain["seed"]] = plain
  jobs = train_models.jobs("chest_xray", pathlib.Path("there"), data,
                           ("0",))[1:]
  for config, _ in jobs:
    there = json.loads(config.to_json_best_effort())
    now = wanted[config.data.num_labeled, 0]
    assert runs.unlike(there, now) == []
    assert runs.unlike(there, now | {"dtype": "bfloat16"})


def test_unknown_model_lists_the_known_ones():
  with pytest.raises(ValueError, match="choose from toy_faces, chest_xray"):
    train_models.jobs("mona_lisa", pathlib.Path(), pathlib.Path(), ())

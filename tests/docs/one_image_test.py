"""docs/one_image.md: what it starts from fits together."""

import json
import pathlib
import re
import shutil

import numpy as np
from PIL import Image
import pytest

from semseg_jax import experiment
from semseg_jax.cli import arguments
from semseg_jax.data import painted
from semseg_jax.methods.common import generators
from semseg_jax.training import checkpoint
from semseg_jax.training import exported
from semseg_jax.training import loop
from tests.docs import tutorial_test as tutorial

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_CONFIG = f"{_ROOT}/configs/repurpose_gan/toy_faces.py:shipped"


def test_the_config_takes_the_shipped_generator(tmp_path):
  config = arguments.load_config(_CONFIG)
  loaded = generators.load(config, tmp_path, "the test")
  assert loaded.module.size == config.data.size
  assert np.isfinite(loaded.mean).all()
  assert "gan" not in config.stages


def test_the_annotation_has_every_class(tmp_path):
  shutil.copy(_ROOT / "examples/one_face.json", tmp_path / "000002.json")
  Image.new("RGB", (64, 64)).save(tmp_path / "000002.png")
  told = exported.read_meta(exported.place("toy_faces"))["dataset"]
  (tmp_path / "classes.json").write_text(json.dumps(
      {"classes": told["class_names"], "colours": told["colors"]}))
  assert painted.names(tmp_path) == ("000002",)
  label = painted.read(
      tmp_path, "000002", painted.spec(tmp_path, 7))["label"]
  assert set(np.unique(label)) == set(range(7))


def test_the_generator_is_trained_before_anything_is_painted(
    tmp_path, monkeypatch):
  tutorial.write_set(tmp_path / "my_set", '{"classes": ["a", "b"]}')
  for name in ("train_labeled", "val", "test"):  # as the page says
    (tmp_path / f"my_set/splits/{name}.txt").unlink()
  shutil.rmtree(tmp_path / "my_set/masks")
  images = arguments.load_config(
      f"{_ROOT}/configs/semantic_gan/folder.py:size=16,classes=2,channels=3,"
      "labels=0,fitted,cpu")
  config = arguments.load_config(
      f"{_ROOT}/configs/repurpose_gan/folder.py:size=16,classes=2,channels=3,"
      f"segmenter=linear,cpu,run={tmp_path / 'images'}")
  for c in images, config:
    c.data.update(data_dir=str(tmp_path / "my_set"),
                  cache_dir=str(tmp_path / "cache"))
  trained = {}
  monkeypatch.setattr(loop, "train", lambda stage, *, workdir, **_: (
      trained.update({workdir.name: stage})))
  monkeypatch.setattr(
      checkpoint, "exists", lambda folder: folder.parent.name in trained)
  experiment.train(images.lock(), tmp_path / "images", only=("gan",))
  with pytest.raises(ValueError, match="config.shots.folder is empty"):
    experiment.train(config.lock(), tmp_path / "run")
  assert list(trained) == ["gan"]
  shots = tmp_path / "my_shots"
  shots.mkdir()
  Image.new("RGB", (16, 16)).save(shots / "000000.png")
  Image.new("L", (16, 16), 1).save(shots / "000000_mask.png")
  (shots / "classes.json").write_text(
      '{"classes": ["a", "b"], "colours": [[0, 0, 0], [0, 9, 0]]}')
  config.shots.update(folder=str(shots), count=0)
  experiment.train(config, tmp_path / "run")
  assert list(trained) == ["gan", "segmenter", "autoshot"]
  assert not trained["autoshot"].validate  # there is no mask to score by


@pytest.mark.slow
def test_the_page_leads_from_one_annotation_to_scores(tmp_path):
  for name in ("configs", "semseg_jax", "examples"):
    (tmp_path / name).symlink_to(_ROOT / name)
  page = (_ROOT / "docs/one_image.md").read_text()
  section = page[page.index("## Try it"):page.index("## 1.")]
  (commands,) = re.findall(
      r"^```\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
  printed = tutorial.run(commands, tmp_path)
  assert "inversion" in printed
  assert (tmp_path / "runs/face/eval/ood_test/overview.png").exists()

"""Configs of several seeds; curves of several runs."""

import json
import pathlib

import pytest

from semseg_jax.cli import curves
from semseg_jax.cli import roc
from semseg_jax.cli import sweep

CONFIG = pathlib.Path(__file__).resolve().parents[2] / (
    "configs/semisup/scenes.py")


def test_seed_and_changes():
  config = sweep.load(f"{CONFIG}:ratio=0.05,smoke", 3, [
      "s4gan.threshold=0.7", "data.data_dir=somewhere"])
  assert (config.seed, config.data.split_seed) == (3, 3)
  assert config.data.num_labeled == 200
  assert config.s4gan.threshold == 0.7
  assert config.data.data_dir == "somewhere"


@pytest.mark.parametrize("change", [
    "s4gan.treshold=0.7", "s4gan.threshold", "s4gan.batch_size=many"])
def test_bad_changes(change):
  with pytest.raises(ValueError, match=f"--config.{change}"):
    sweep.load(str(CONFIG), 0, [change])


def test_missing_config():
  with pytest.raises(OSError, match="absent"):
    sweep.load("absent.py:smoke", 0)


def test_curves(tmp_path):
  lines = [{"step": i, "d/loss": 1.0 / i} for i in (1, 2)]
  (tmp_path / "metrics.jsonl").write_text(
      "\n".join(map(json.dumps, lines)) + "\n")
  series = curves.curves({"a": tmp_path}, ["d/loss"])
  assert series == {"a": ((1, 2), (1.0, 0.5))}
  with pytest.raises(ValueError, match="no metric 'd/score'.*d/loss"):
    curves.curves({"a": tmp_path}, ["d/score"])


def test_roc_of_several_runs(tmp_path):
  for name, precision in (("a", 0.5), ("b", 0.75)):
    folder = tmp_path / name / "eval/test"
    folder.mkdir(parents=True)
    (folder / "roc.json").write_text(json.dumps(
        {"mlmt": [[0, 0.5, 1], [0, 1, 1]], "classifier": [[0, 1], [0, 1]]}))
    quality = {"mean_average_precision": precision, "roc_area": 0.25}
    (folder / "record.json").write_text(json.dumps(
        {"extra": {"mlmt": {"mlmt": quality, "classifier": quality}}}))
  runs = {"scratch": tmp_path / "a", "ImageNet": tmp_path / "b"}
  rates, rows = roc.collect(runs, "test")
  assert list(rates) == ["scratch: mlmt", "scratch: classifier",
                         "ImageNet: mlmt", "ImageNet: classifier"]
  assert rates["ImageNet: classifier"] == [[0, 1], [0, 1]]
  assert [row["mAP"] for row in rows] == [50, 50, 75, 75]
  with pytest.raises(ValueError, match="eval/val: .*eval.py"):
    roc.collect(runs, "val")

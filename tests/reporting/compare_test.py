"""Curves of several runs in one plot."""

import json

import pytest

from semseg_jax.reporting import compare


def test_curves(tmp_path):
  lines = [{"step": i, "d/loss": 1.0 / i} for i in (1, 2)]
  (tmp_path / "metrics.jsonl").write_text(
      "\n".join(map(json.dumps, lines)) + "\n")
  series = compare.curves({"a": tmp_path}, ["d/loss"])
  assert series == {"a": ((1, 2), (1.0, 0.5))}
  with pytest.raises(ValueError, match="no metric 'd/score'.*d/loss"):
    compare.curves({"a": tmp_path}, ["d/score"])
  with pytest.raises(ValueError, match="give the folder of a stage"):
    compare.curves({"a": tmp_path / "run"}, ["d/loss"])


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
  rates, rows = compare.roc(runs, "test")
  assert list(rates) == ["scratch: mlmt", "scratch: classifier",
                         "ImageNet: mlmt", "ImageNet: classifier"]
  assert rates["ImageNet: classifier"] == [[0, 1], [0, 1]]
  assert [row["mAP"] for row in rows] == [50, 50, 75, 75]
  with pytest.raises(ValueError, match="eval/val: .*semseg-jax eval"):
    compare.roc(runs, "val")

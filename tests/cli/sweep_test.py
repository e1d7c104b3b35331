"""Configs of several seeds; curves of several runs."""

import json
import pathlib

import pytest

from semseg_jax.cli import curves
from semseg_jax.cli import sweep

CONFIG = pathlib.Path(__file__).resolve().parents[2] / (
    "configs/semisup/scenes.py")


def test_seed_and_changes():
  found = sweep.load(f"{CONFIG}:ratio=0.05,smoke", 3, [
      "s4gan.threshold=0.7", "data.data_dir=somewhere"])
  assert (found.seed, found.data.split_seed, found.data.labels) == (3, 3, 200)
  assert found.s4gan.threshold == 0.7
  assert found.data.data_dir == "somewhere"


@pytest.mark.parametrize("change", [
    "s4gan.treshold=0.7", "s4gan.threshold", "s4gan.batch_size=many"])
def test_bad_changes(change):
  with pytest.raises(ValueError, match=f"--set={change}"):
    sweep.load(str(CONFIG), 0, [change])


def test_missing_config():
  with pytest.raises(OSError, match="absent"):
    sweep.load("absent.py:smoke", 0)


def test_curves(tmp_path):
  lines = [{"step": i, "d/loss": 1.0 / i} for i in (1, 2)]
  (tmp_path / "metrics.jsonl").write_text(
      "\n".join(map(json.dumps, lines)) + "\n")
  found = curves.curves({"a": tmp_path}, ["d/loss"])
  assert found == {"a": ((1, 2), (1.0, 0.5))}
  with pytest.raises(ValueError, match="no metric 'd/score'.*d/loss"):
    curves.curves({"a": tmp_path}, ["d/score"])

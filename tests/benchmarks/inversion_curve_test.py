"""The curve of inversion by rate, on a run that is not trained."""

import json

import jax
import pytest

from benchmarks import inversion_curve
from configs.semantic_gan import toy_faces
from semseg_jax import stages
from semseg_jax.training import checkpoint


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """(config, folder) with untrained stages, as if trained."""
  config = toy_faces.get_config("labels=20,smoke")
  config.inversion.update(steps=3, snapshots=(1,), batch_size=2)
  config.evaluation.limit = 4
  folder = tmp_path_factory.mktemp("run")
  for name in ("gan", "encoder"):
    stage = stages.of(config, name).make(config, folder)
    state = jax.jit(stage.init)(jax.random.key(0), stage.load_frozen())
    with checkpoint.Checkpoints(folder / name / "ckpt") as checkpoints:
      checkpoints.save(1, state, {})
  return config, folder


def test_every_rate_has_its_steps(run, capsys):
  config, folder = run
  before = config.inversion.learning_rate
  rows = inversion_curve.compare(config, folder, "val", ["0.3"])
  assert [(r["rate"], r["steps"]) for r in rows] == [
      (0.3, steps) for steps in (0, 1, 3)]
  for r in rows:
    assert (r["seconds"] > 0) == (r["core_seconds"] > 0) == (r["steps"] > 0)
  assert json.loads(
      (folder / "inversion_curve/val.json").read_text())["rows"] == rows
  assert (folder / "inversion_curve/val.png").stat().st_size > 1000
  assert "0.3" in capsys.readouterr().out
  assert config.inversion.learning_rate == before

"""The curve of inversion by optimiser, on a run that is not trained."""

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


@pytest.mark.parametrize("names", [
    ["adam:0.3"],
    pytest.param(["adam", "lbfgs:0.02"], marks=pytest.mark.slow)])
def test_every_optimiser_has_its_steps(run, names, capsys):
  config, folder = run
  rows = inversion_curve.compare(config, folder, "val", names)
  assert [(r["optimizer"], r["steps"]) for r in rows] == [
      (name, steps) for name in names for steps in (0, 1, 3)]
  assert len({r["miou"] for r in rows if r["steps"] == 0}) == 1
  for r in rows:
    assert (r["seconds"] > 0) == (r["core_seconds"] > 0) == (r["steps"] > 0)
  assert json.loads(
      (folder / "inversion_curve/val.json").read_text())["rows"] == rows
  assert (folder / "inversion_curve/val.png").stat().st_size > 1000
  assert names[-1] in capsys.readouterr().out


def test_a_rate_is_the_configs():
  config = toy_faces.get_config("labels=20,smoke")
  faster, optimizer = inversion_curve.chosen(config, "adam:0.3")
  assert optimizer is None
  assert faster.inversion.learning_rate == 0.3
  assert inversion_curve.chosen(config, "adam")[0] == config


def test_unknown_optimiser(run):
  config, folder = run
  with pytest.raises(ValueError, match="'newton': use adam or lbfgs"):
    inversion_curve.compare(config, folder, "val", ["adam", "newton"])

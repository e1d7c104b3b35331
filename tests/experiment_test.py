"""Whole runs through the real commands: killed, restarted, mistaken."""

import json

import numpy as np
import pytest

from semseg_jax import experiment
from tests.methods import smoke


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  return smoke.demo(tmp_path_factory)[0]


def _killed(command, folder, goals):
  """Runs `command`, killed as soon as a step of each goal is logged."""
  for goal in goals:
    smoke.kill_when(
        smoke.start(*command),
        lambda goal=goal: any(
            x["step"] >= goal for x in smoke.metrics(folder)))
    assert not (folder / "DONE").exists()
  smoke.finish(smoke.start(*command))


def _same(config, stage, steps, folder, whole):
  """Metrics and final states agree."""
  assert smoke.metrics(folder / stage) == smoke.metrics(whole / stage)
  step, state = smoke.final_state(config, folder, stage)
  assert step == steps
  smoke.assert_same(state, smoke.final_state(config, whole, stage)[1])


@pytest.mark.parametrize(
    "stage", ["gan", pytest.param("encoder", marks=pytest.mark.slow)])
def test_killed_and_restarted_equals_unbroken(trained, tmp_path, stage):
  if stage == "encoder":
    smoke.copy_stages(trained, tmp_path, "gan")
  command = ("train.py", f"--config={smoke.CONFIG}", f"--workdir={tmp_path}",
             f"--stage={stage}")
  # Of 4 steps: after the first or after the first checkpoint.
  goal = int(np.random.default_rng().integers(1, 3))
  _killed(command, tmp_path / stage, [goal])
  _same(smoke.config(), stage, 4, tmp_path, trained)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["gan", "encoder"])
def test_killed_three_times_equals_unbroken(trained, tmp_path, stage):
  config, steps = smoke.config(), 30
  changes = {f"{stage}.steps": steps, "log.log_every": 3,
             "log.checkpoint_every": 2, "log.sample_every": 0,
             "log.eval_every": 11}
  config.update_from_flattened_dict(changes)
  commands = []
  for name in ("whole", "killed"):
    (tmp_path / name).mkdir()
    if stage == "encoder":
      smoke.copy_stages(trained, tmp_path / name, "gan")
    commands.append((
        "train.py", f"--config={smoke.CONFIG}", f"--stage={stage}",
        f"--workdir={tmp_path / name}",
        *(f"--config.{k}={v}" for k, v in changes.items())))
  smoke.finish(smoke.start(*commands[0]))
  goals = np.cumsum(np.random.default_rng().integers(4, 9, 3))
  _killed(commands[1], tmp_path / "killed" / stage, goals.tolist())
  _same(config, stage, steps, tmp_path / "killed", tmp_path / "whole")


def test_fewer_steps_than_a_finished_stage_has(trained, tmp_path):
  smoke.copy_stages(trained, tmp_path, "supervised")
  before = (tmp_path / "supervised/config.json").read_bytes()
  config = smoke.config()
  config.supervised.steps = 2
  with pytest.raises(ValueError, match="supervised is at step 4, and finished"):
    experiment.train(config, tmp_path)
  assert (tmp_path / "supervised/config.json").read_bytes() == before
  assert not (tmp_path / "config.json").exists()


def test_what_is_trained_is_scored_and_the_rest_named(
    trained, tmp_path, caplog):
  smoke.copy_stages(trained, tmp_path, "supervised")
  (tmp_path / "supervised/DONE").unlink()
  scored = experiment.evaluate(smoke.config(), tmp_path, splits=("test",))
  assert set(scored["test"]) == {"supervised"}
  assert "not trained yet, so not scored: fully_supervised, gan" in caplog.text
  assert "stage supervised has not finished" in caplog.text


@pytest.mark.slow
def test_killed_evaluation_continues(trained, tmp_path):
  stages = ("supervised", "fully_supervised", "gan", "encoder")
  smoke.copy_stages(trained, tmp_path, *stages)
  command = ("eval.py", f"--config={smoke.CONFIG}", f"--workdir={tmp_path}")
  folder = tmp_path / "eval"
  first = folder / "test/chunks/chunk_00000.npz"
  smoke.kill_when(smoke.start(*command), first.exists)
  assert not (folder / "ood_test/record.json").exists()
  before = first.stat()
  smoke.finish(smoke.start(*command))
  after = first.stat()
  assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns,
                                               before.st_ino)
  for split in ("test", "ood_test"):
    records = [json.loads((x / "eval" / split / "record.json").read_text())
               for x in (tmp_path, trained)]
    assert records[0]["methods"] == records[1]["methods"]
    assert records[0]["config_hash"] == records[1]["config_hash"]

"""Whole runs through the real commands: killed, restarted, mistaken."""

import json

import numpy as np
import pytest

from tests.methods import smoke

STEPS = 30


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  return smoke.demo(tmp_path_factory)[0]


def _longer(stage):
  """The smoke config with more steps, and its flags."""
  config = smoke.config()
  changes = {f"{stage}.steps": STEPS, "log.log_every": 3,
             "log.checkpoint_every": 2, "log.sample_every": 0,
             "log.eval_every": 11}
  config.update_from_flattened_dict(changes)
  return config, [f"--config.{k}={v}" for k, v in changes.items()]


@pytest.fixture(scope="module")
def unbroken(trained, tmp_path_factory):
  """stage -> (config, flags, folder of a run that nobody killed)."""
  found = {}

  def get(stage):
    if stage not in found:
      config, flags = _longer(stage)
      folder = tmp_path_factory.mktemp(f"whole_{stage}")
      if stage == "encoder":
        smoke.copy_stages(trained, folder, "gan")
      smoke.finish(smoke.start(
          "train.py", f"--config={smoke.CONFIG}", f"--workdir={folder}",
          f"--stage={stage}", *flags))
      found[stage] = config, flags, folder
    return found[stage]

  return get


@pytest.mark.parametrize("kills", [
    1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("stage", ["gan", "encoder"])
def test_killed_and_restarted_equals_unbroken(
    trained, unbroken, tmp_path, stage, kills):
  config, flags, whole = unbroken(stage)
  if stage == "encoder":
    smoke.copy_stages(trained, tmp_path, "gan")
  command = ("train.py", f"--config={smoke.CONFIG}", f"--workdir={tmp_path}",
             f"--stage={stage}", *flags)
  folder, rng, goal = tmp_path / stage, np.random.default_rng(), 0
  for _ in range(kills):
    goal += int(rng.integers(4, 9))
    smoke.kill_when(
        smoke.start(*command),
        lambda goal=goal: any(
            x["step"] >= goal for x in smoke.metrics(folder)))
    assert not (folder / "DONE").exists()
  smoke.finish(smoke.start(*command))
  assert smoke.metrics(folder) == smoke.metrics(whole / stage)
  step, state = smoke.final_state(config, tmp_path, stage)
  assert step == STEPS
  smoke.assert_same(state, smoke.final_state(config, whole, stage)[1])


def test_killed_evaluation_continues(trained, tmp_path):
  stages = ("supervised", "reference", "gan", "encoder")
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

"""The real loop on the toy stage: what it leaves, resumes and refuses."""

import json
import os
import signal
from unittest import mock

import jax
import numpy as np
from PIL import Image
import pytest

from semseg_jax.training import checkpoint
from semseg_jax.training import exits
from semseg_jax.training import loop
from semseg_jax.training import records
from semseg_jax.training import run_dir
from semseg_jax.training import writers


def lines(workdir):
  """Lines of metrics.jsonl without the wall-clock time."""
  metrics = writers.read_metrics(workdir / "metrics.jsonl")
  return [{k: v for k, v in x.items() if k != "seconds"} for x in metrics]


def assert_same_state(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.fixture(scope="module")
def whole(toy, tmp_path_factory):
  """(folder, final state) of twelve unbroken steps."""
  folder = tmp_path_factory.mktemp("whole") / "fit"
  options = loop.LoopOptions(
      log_every=2, sample_every=5, checkpoint_every=3)
  return folder, toy.run(folder, options=options)


def test_what_a_run_leaves(whole):
  folder, state = whole
  assert int(state.step) == 12
  metrics = lines(folder)
  assert [x["step"] for x in metrics] == [2, 4, 6, 8, 10, 12]
  # "extra" runs in steps 1, 5 and 9 only.
  assert [x["step"] for x in metrics if "extra" in x] == [2, 6, 10]
  assert sorted(p.name for p in (folder / "ckpt").iterdir()) == ["12", "9"]
  assert json.loads((folder / "DONE").read_text()) == {"step": 12}
  assert json.loads((folder / "config.json").read_text()) == {"steps": 12}
  compiled = json.loads((folder / "compile.json").read_text())
  assert sorted(compiled) == ["extra", "fit"]
  assert compiled["fit"]["flops"] > 100
  assert compiled["fit"]["seconds"] > 0
  versions = json.loads((folder / "versions.json").read_text())
  assert versions["jax"] == jax.__version__
  assert list(folder.glob("events.out.tfevents*"))
  names = ["grid_0000005.png", "grid_0000010.png", "grid_0000012.png"]
  assert sorted(p.name for p in (folder / "samples").iterdir()) == names
  assert np.asarray(Image.open(folder / "samples" / names[0])).shape == (
      2, 2, 3)


def test_mean_over_the_window(toy, whole, tmp_path):
  toy.run(tmp_path, options=loop.LoopOptions(log_every=1))
  each = [x["loss"] for x in lines(tmp_path)]
  pairs = [(a + b) / 2 for a, b in zip(each[::2], each[1::2], strict=True)]
  assert pairs == [x["loss"] for x in lines(whole[0])]


def test_done_stage_is_skipped(toy, whole):
  def fail(step):
    raise AssertionError(f"trained again: batch {step}")

  before = (whole[0] / "metrics.jsonl").read_text()
  assert_same_state(toy.run(whole[0], on_batch=fail), whole[1])
  assert (whole[0] / "metrics.jsonl").read_text() == before


def test_more_steps_continue(toy, whole, tmp_path):
  toy.run(tmp_path, 8)
  assert_same_state(toy.run(tmp_path, 12), whole[1])
  assert lines(tmp_path) == lines(whole[0])


def test_a_stage_that_is_trained_further_is_not_done(toy, tmp_path):
  toy.run(tmp_path, 4)
  assert run_dir.done_step(tmp_path) == 4

  def fail(step):
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    toy.run(tmp_path, 8, on_batch=fail)
  assert run_dir.done_step(tmp_path) is None


def test_fewer_steps_than_were_trained(toy, tmp_path):
  def terminate(step):
    if step == 5:
      os.kill(os.getpid(), signal.SIGTERM)

  with pytest.raises(exits.Preempted):
    toy.run(tmp_path, on_batch=terminate)
  with pytest.raises(ValueError, match="at step 5.*3 steps are too few"):
    toy.run(tmp_path, 3)
  toy.run(tmp_path, 5)
  before = (tmp_path / "config.json").read_bytes()
  with pytest.raises(ValueError, match="at step 5, and finished: 3 steps are"):
    toy.run(tmp_path, 3)
  assert (tmp_path / "config.json").read_bytes() == before
  assert run_dir.done_step(tmp_path) == 5


def test_sigterm_saves_and_resumes(toy, whole, tmp_path):
  def terminate(step):
    if step == 5:  # asked for while step 4, the fifth, runs
      os.kill(os.getpid(), signal.SIGTERM)

  before = signal.getsignal(signal.SIGTERM)
  with pytest.raises(exits.Preempted, match="after step 5") as error:
    toy.run(tmp_path, on_batch=terminate)
  assert error.value.code == 143
  assert signal.getsignal(signal.SIGTERM) == before
  assert checkpoint.latest(tmp_path / "ckpt") == 5
  assert not (tmp_path / "DONE").exists()
  # The line of step 6 averages over steps before and after the interruption.
  assert_same_state(toy.run(tmp_path), whole[1])
  assert lines(tmp_path) == lines(whole[0])


@pytest.mark.parametrize("best", [4, 6, 12])
def test_sigterm_puts_what_takes_time_off(toy, tmp_path, best):
  options = loop.LoopOptions(
      log_every=4, eval_every=2, sample_every=4, checkpoint_every=5,
      best_metric="miou")
  validated = []

  def validate(state, frozen):
    validated.append(int(state.step))
    return {"miou": float(validated[-1] == best) + 0.01 * validated[-1]}

  def at(step, act):
    return lambda asked: act() if asked == step else None

  def kill():
    raise KeyboardInterrupt

  terminate = lambda: os.kill(os.getpid(), signal.SIGTERM)
  run = lambda name, act=lambda step: None: toy.run(
      tmp_path / name, options=options, validate=validate, on_batch=act)
  expected = run("whole")
  for step in (4, 6, 8):
    validated.clear()
    with pytest.raises(exits.Preempted):
      run(f"cut{step}", at(step, terminate))
    assert validated == list(range(2, step, 2))
    grids = tmp_path / f"cut{step}/samples"
    assert len(list(grids.glob("*"))) == (step - 1) // 4
    with pytest.raises(KeyboardInterrupt):  # before anything else is saved
      run(f"cut{step}", at(step + 1, kill))
    assert validated.pop() == step
    assert_same_state(run(f"cut{step}"), expected)
    assert validated == list(range(2, 13, 2))
    assert lines(tmp_path / f"cut{step}") == lines(tmp_path / "whole")
    assert checkpoint.best(tmp_path / f"cut{step}" / "ckpt") == best
    left = [{p.name for p in (tmp_path / name / "ckpt").iterdir()}
            for name in ("whole", f"cut{step}")]
    assert left[0] == left[1]
    assert len(list(grids.iterdir())) == 3


def test_nan_metric_stops_before_saving(toy, tmp_path):
  with pytest.raises(records.NonFiniteError, match="step 6.*loss.*nan"):
    toy.run(tmp_path, nan_at=5)
  assert checkpoint.latest(tmp_path / "ckpt") == 3
  assert [x["step"] for x in lines(tmp_path)] == [2, 4]


def test_infinite_state_is_not_saved(toy, tmp_path):
  # The last update before a checkpoint spoils the state; no metric shows it.
  with pytest.raises(records.NonFiniteError, match=r"step 6: .*params"):
    toy.run(tmp_path, bad_state_at=5)
  assert checkpoint.latest(tmp_path / "ckpt") == 3


@pytest.mark.parametrize("damage", ["empty", "missing", "truncated"])
def test_damaged_checkpoint_is_skipped(toy, whole, tmp_path, damage, caplog):
  toy.run(tmp_path, 6)
  folder = tmp_path / "ckpt" / "6"
  if damage == "missing":
    for name in ("_METADATA", "manifest.ocdbt"):
      (folder / "state" / name).unlink()
  for file in folder.rglob("*"):
    if file.is_file() and damage == "empty":
      file.write_bytes(b"")
    if file.is_file() and damage == "truncated" and file.parent.name == "d":
      file.write_bytes(file.read_bytes()[:10])
  assert_same_state(toy.run(tmp_path), whole[1])
  assert "6 is unreadable" in caplog.text
  assert (tmp_path / "ckpt" / "unreadable.6").exists()
  assert lines(tmp_path) == lines(whole[0])


def test_a_sound_checkpoint_is_not_blamed(toy, tmp_path, monkeypatch):
  toy.run(tmp_path, 6)

  def no_room(*_, **__):
    raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")

  with monkeypatch.context() as patch:
    patch.setattr(checkpoint.ocp.CheckpointManager, "restore", no_room)
    with pytest.raises(jax.errors.JaxRuntimeError, match="out of memory"):
      toy.run(tmp_path)
  assert checkpoint.latest(tmp_path / "ckpt") == 6


def test_truncated_and_surplus_lines_are_dropped(toy, whole, tmp_path):
  toy.run(tmp_path, 8)
  with (tmp_path / "metrics.jsonl").open("a") as file:
    file.write('{"step": 10, "loss": 7.0}\n{"step": 12, "lo')
  toy.run(tmp_path)
  assert lines(tmp_path) == lines(whole[0])


def test_best_checkpoint_is_kept(toy, tmp_path):
  scores = {2: 0.1, 4: 0.9, 6: float("nan"), 8: 0.5, 10: 0.3, 12: 0.2}
  options = loop.LoopOptions(
      log_every=4, eval_every=2, checkpoint_every=3, best_metric="miou")
  validate = lambda state, frozen: {"miou": scores[int(state.step)]}
  def terminate(step):
    if step == 7:
      os.kill(os.getpid(), signal.SIGTERM)

  with pytest.raises(exits.Preempted):
    toy.run(tmp_path, options=options, validate=validate, on_batch=terminate)
  # The best one is remembered by the resumed run: 8 is not saved.
  toy.run(tmp_path, options=options, validate=validate)
  assert checkpoint.best(tmp_path / "ckpt") == 4
  assert checkpoint.latest(tmp_path / "ckpt") == 12
  steps = sorted(int(p.name) for p in (tmp_path / "ckpt").iterdir())
  assert steps == [4, 9, 12]
  metrics = {x["step"]: x for x in lines(tmp_path)}
  assert metrics[6]["miou"] is None
  assert metrics[4].keys() == {"step", "loss", "miou", "extra"}
  best = checkpoint.restore_subtree(
      tmp_path / "ckpt", {"step": jax.ShapeDtypeStruct((), "int32")}, step=4)
  assert int(best["step"]) == 4


@pytest.mark.parametrize("every", [2, 5])
def test_the_first_of_equal_scores_is_the_best(toy, tmp_path, every):
  options = loop.LoopOptions(
      log_every=4, eval_every=2, checkpoint_every=every, best_metric="miou")
  validate = lambda state, frozen: {
      "miou": 0.5 if int(state.step) in (4, 6, 12) else 0.1}
  run = lambda name, **how: toy.run(
      tmp_path / name, options=options, validate=validate, **how)

  def terminate(step):
    if step == 6:
      os.kill(os.getpid(), signal.SIGTERM)

  run("whole")
  with pytest.raises(exits.Preempted):
    run("cut", on_batch=terminate)
  run("cut")
  for name in ("whole", "cut"):
    assert checkpoint.best(tmp_path / name / "ckpt") == 4


def test_unknown_best_metric(toy, tmp_path):
  options = loop.LoopOptions(eval_every=1, best_metric="dice")
  with pytest.raises(ValueError, match=r"'dice'.*\['miou'\]"):
    toy.run(tmp_path, options=options, validate=lambda s, f: {"miou": 1.0})


def test_phase_is_compiled_once(toy, tmp_path):
  traced = []
  stage = toy.make()

  def train_step(*args, phase):
    traced.append(phase)
    return stage.train_step(*args, phase=phase)

  loop.train(stage._replace(train_step=train_step), workdir=tmp_path,
             options=loop.LoopOptions(), key=jax.random.key(0))
  assert sorted(traced) == ["extra", "fit"]


def test_second_compilation_is_an_error(toy, tmp_path):
  with pytest.raises(ValueError, match=r"'fit' would be compiled again.*\(8, "):
    toy.run(tmp_path, shrink_at=3)


def test_step_must_advance(toy, tmp_path):
  stage = toy.make()._replace(phases=lambda step: ("fit", "fit"))
  with pytest.raises(ValueError, match="state.step is 2 after 1 steps"):
    loop.train(stage, workdir=tmp_path, options=loop.LoopOptions(),
               key=jax.random.key(0))


def test_stage_without_steps(toy, tmp_path):
  state = toy.run(tmp_path, 0)
  assert_same_state(toy.run(tmp_path, 0), state)
  assert json.loads((tmp_path / "DONE").read_text()) == {"step": 0}


def test_data_that_ends(toy, tmp_path):
  stage = toy.make()
  few = lambda start: (b for b, _ in zip(
      stage.train_data(start), range(4), strict=False))
  with pytest.raises(ValueError, match="ended before step 4 of 12"):
    loop.train(stage._replace(train_data=few), workdir=tmp_path,
               options=loop.LoopOptions(), key=jax.random.key(0))


def test_a_second_training_leaves_the_first_ones_records(toy, tmp_path):
  def second(step):
    if step == 1:  # before the first checkpoint
      records = lambda: {x: x.read_bytes() for x in tmp_path.glob("*.json")}
      before = records()
      with pytest.raises(ValueError, match="another process is training there"):
        toy.run(tmp_path, 9)
      assert tmp_path / "config.json" in before
      assert records() == before

  toy.run(tmp_path, 3, on_batch=second)


def test_samples_outlast_a_full_disk(tmp_path, no_room, monkeypatch):
  monkeypatch.setattr(writers, "create", mock.Mock())
  run = lambda value: records.Records(
      tmp_path, 1, 2, 0, {"rollbacks": 0}, primary=True).sample(
          1, {"grid": np.full((2, 2, 3), value, np.uint8)})
  run(0)
  path = tmp_path / "samples/grid_0000001.png"
  before = path.read_bytes()
  with no_room(), pytest.raises(OSError, match="large"):
    run(1)
  assert path.read_bytes() == before

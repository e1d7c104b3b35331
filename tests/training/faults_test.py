"""Faults as they happen: full disk, no permission, NaN, lost processes."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from semseg_jax.training import checkpoint
from semseg_jax.training import exits
from semseg_jax.training import loop
from semseg_jax.training import records
from semseg_jax.training import writers

STEPS = 12


@pytest.fixture(scope="module")
def whole(toy, tmp_path_factory):
  """Final state of an unbroken run."""
  return toy.run(tmp_path_factory.mktemp("whole"))


def assert_same_state(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


def latest(folder):
  return checkpoint.latest(folder / "ckpt")


# Files that cannot grow. -----------------------------------------------------


@pytest.fixture
def disk(tmp_path):
  """(a folder on a file system of its own, fill(), clear())."""
  folder = tmp_path / "disk"
  folder.mkdir()
  mounted = subprocess.run(
      ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)],
      capture_output=True, check=False)
  if mounted.returncode:
    pytest.skip("mounting a small file system needs more rights")
  ballast = folder / "ballast"

  def fill():
    with ballast.open("wb", buffering=0) as file:
      for size in (1 << 16, 1 << 10, 1):
        try:
          while file.write(bytes(size)):
            pass
        except OSError:
          pass

  yield folder, fill, ballast.unlink
  subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(toy, whole, disk):
  folder, fill, clear = disk
  with pytest.raises(OSError, match=r"No space|could not be written"):
    toy.run(folder / "run", on_batch=lambda s: fill() if s == 7 else None)
  # At step 7 the first checkpoint was on disk, the second on its way.
  assert latest(folder / "run") in (3, 6)
  # Nothing is lost, and nothing has to be tidied up by hand but the disk.
  with pytest.raises(OSError, match=r"cannot be written to.*--workdir"):
    toy.run(folder / "run")
  clear()
  assert_same_state(toy.run(folder / "run"), whole)


def test_checkpoint_that_cannot_be_written(toy, whole, tmp_path):
  soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
  limit = lambda n: resource.setrlimit(resource.RLIMIT_FSIZE, (n, hard))
  try:
    with pytest.raises(OSError, match=r"large|could not be written"):
      toy.run(tmp_path, on_batch=lambda s: limit(200) if s == 7 else None)
  finally:
    limit(soft)
  assert latest(tmp_path) in (3, 6)
  assert_same_state(toy.run(tmp_path), whole)


def test_folder_without_permission(toy, tmp_path):
  folder = tmp_path / "locked"
  folder.mkdir(mode=0o555)
  root = os.geteuid() == 0
  if root:  # who may write anywhere
    os.seteuid(65534)
  try:
    with pytest.raises(OSError, match=r"locked/run cannot be written to"):
      toy.run(folder / "run", on_batch=lambda s: pytest.fail("it trained"))
  finally:
    if root:
      os.seteuid(0)


# NaN. ------------------------------------------------------------------------


def test_rollback_goes_on_with_other_rngs(toy, whole, tmp_path, caplog):
  traced = []
  state = toy.run(tmp_path, rollbacks=1, nan_at=5, nan_rngs=True,
                  on_trace=traced.append)
  assert "rollback 1 of 1" in caplog.text
  assert sorted(traced) == ["extra", "fit"]  # nothing is compiled again
  assert np.isfinite(state.params["w"]).all()
  assert (state.params["w"] != whole.params["w"]).any()
  assert [x["step"] for x in writers.read_metrics(
      tmp_path / "metrics.jsonl")] == [2, 4, 6, 8, 10, 12]


def test_validation_that_is_not_finite_is_rolled_back(toy, tmp_path, caplog):
  faults = iter([FloatingPointError("logits are NaN")])

  def validate(state, frozen):
    for fault in faults:
      raise fault
    return {"val": 1.0}

  toy.run(tmp_path, rollbacks=1, validate=validate, options=loop.LoopOptions(
      eval_every=4, checkpoint_every=3))
  assert "logits are NaN: back to the newest checkpoint" in caplog.text


def test_a_rolled_back_run_resumes_exactly(toy, tmp_path):
  def terminate(step):
    if step == 10:
      os.kill(os.getpid(), signal.SIGTERM)

  options = dict(rollbacks=1, nan_at=5, nan_rngs=True)
  expected = toy.run(tmp_path / "whole", **options)
  with pytest.raises(exits.Preempted):
    toy.run(tmp_path / "cut", on_batch=terminate, **options)
  assert_same_state(toy.run(tmp_path / "cut", **options), expected)


def test_rollbacks_are_limited(toy, tmp_path):
  with pytest.raises(records.NonFiniteError, match="step 6"):
    toy.run(tmp_path, nan_at=5, rollbacks=2)
  assert latest(tmp_path) == 3


# Processes. ------------------------------------------------------------------


def start(toy_path, *arguments):
  root = toy_path.parent.parent.parent
  env = os.environ | {"PYTHONPATH": str(root), "JAX_PLATFORMS": "cpu"}
  return subprocess.Popen(
      (sys.executable, str(toy_path), *map(str, arguments)), env=env,
      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def start_pair(toy_path, folder, steps, late=0):
  with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{s.getsockname()[1]}"
  return [start(toy_path, folder, steps, 0.02, 2, address, 2, i, i * late)
          for i in range(2)]


def wait_for_step(folder, step, processes):
  deadline = time.monotonic() + 240
  while not checkpoint.exists(folder / "ckpt") or latest(folder) < step:
    for process in processes:
      assert process.poll() is None, process.communicate()[1]
    assert time.monotonic() < deadline
    time.sleep(0.05)


def test_sigterm_ends_with_the_code_of_a_signal(toy, toy_path, tmp_path):
  process = start(toy_path, tmp_path, 4000, 0.02)
  wait_for_step(tmp_path, 3, [process])
  process.terminate()
  _, err = process.communicate(timeout=60)
  assert process.returncode == 128 + signal.SIGTERM, err
  assert "Traceback" not in err
  assert re.fullmatch(r"stopped by SIGTERM after step \d+, .*to continue",
                      err.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_lost_process(toy, toy_path, tmp_path, lost):
  pair = start_pair(toy_path, tmp_path, 4000)
  wait_for_step(tmp_path, 6, pair)
  pair[lost].kill()
  since = time.monotonic()
  _, err = pair[1 - lost].communicate(timeout=240)
  # 30 s of silence, and the slack of a busy machine.
  assert time.monotonic() - since < 120
  # This package's code, or that of JAX's service if it was first.
  assert pair[1 - lost].returncode in (exits.LOST_PROCESS, -signal.SIGABRT)
  assert ("cannot go on without the others" in err
          or "most likely indicates that another task died" in err), err
  pair[lost].communicate()
  # The run goes on, here in a single process.
  reached = latest(tmp_path)
  state = toy.run(tmp_path, reached + 2)
  assert int(state.step) == reached + 2


@pytest.mark.slow
def test_processes_wait_for_one_that_is_late(toy_path, tmp_path):
  """As if one prepared its data or compiled for two minutes longer."""
  since = time.monotonic()
  pair = start_pair(toy_path, tmp_path, 3, late=120)
  results = [result(p) for p in pair]
  assert time.monotonic() - since > 120
  assert results[0] == results[1]


@pytest.mark.slow
def test_sigterm_to_one_of_two_stops_both_after_one_step(
    toy, toy_path, tmp_path):
  pair = start_pair(toy_path, tmp_path, 4000)
  wait_for_step(tmp_path, 3, pair)
  pair[1].terminate()
  errors = [p.communicate(timeout=240)[1] for p in pair]
  assert [p.returncode for p in pair] == [143, 143], errors
  reached = latest(tmp_path)
  assert int(toy.run(tmp_path, reached + 1).step) == reached + 1


# Another topology. -----------------------------------------------------------


def result(process):
  out, err = process.communicate(timeout=240)
  assert process.returncode == 0, err
  return json.loads(out.splitlines()[-1])


def losses(folder):
  return [x["loss"] for x in writers.read_metrics(folder / "metrics.jsonl")]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_resume_on_one_device(toy, toy_path, tmp_path, processes):
  """Four devices, in one process or in two, then one."""
  folder = tmp_path / "moved"
  if processes == 1:
    result(start(toy_path, folder, 6, 0, 4))
  else:
    for process in start_pair(toy_path, folder, 6):
      result(process)
  options = loop.LoopOptions(log_every=1, checkpoint_every=3)
  toy.run(tmp_path / "one", 6, options=options)
  batches = {"moved": [], "one": []}
  for name, seen in batches.items():
    toy.run(tmp_path / name, 9, options=options, on_rows=seen.append)
  for a, b in zip(*batches.values(), strict=True):
    np.testing.assert_array_equal(a, b)
  resumed, expected = (losses(tmp_path / n)[-3:] for n in ("moved", "one"))
  np.testing.assert_allclose(resumed[0], expected[0], rtol=1e-5)
  np.testing.assert_allclose(resumed, expected, rtol=1e-3)

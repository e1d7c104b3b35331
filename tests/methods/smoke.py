"""The demo's `smoke` run, trained once for all tests; and the commands."""

import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from configs.semantic_gan import toy_faces
from semseg_jax import stages
from semseg_jax.training import checkpoint

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = "configs/semantic_gan/toy_faces.py:labels=20,smoke"


def config():
  """The config of CONFIG and of the demo's smoke variant."""
  return toy_faces.get_config("labels=20,smoke")


def start(*command) -> subprocess.Popen:
  """`python COMMAND` from the root, as a user calls it."""
  # The last bits of sums depend on XLA's number of threads, which is that of
  # the cores a process may use when it starts unless NPROC states it.
  return subprocess.Popen(
      (sys.executable, *map(str, command)), cwd=ROOT,
      env=os.environ | {"NPROC": "2"},
      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process) -> str:
  """What a process that ends well prints."""
  out, err = process.communicate(timeout=900)
  assert process.returncode == 0, err[-4000:]
  return out


def kill_when(process, reached):
  """SIGKILL, as soon as reached() is true."""
  deadline = time.monotonic() + 600
  while not reached():
    assert process.poll() is None, process.communicate()[1][-4000:]
    assert time.monotonic() < deadline
    time.sleep(0.004)
  process.kill()
  process.communicate()


def only_error(text: str) -> str:
  assert "Traceback" not in text, text[-4000:]
  lines = [x for x in text.splitlines() if x.startswith("error: ")]
  assert len(lines) == 1, text[-4000:]
  return lines[0]


def metrics(folder) -> list[dict]:
  """Lines of metrics.jsonl without their times."""
  path = folder / "metrics.jsonl"
  if not path.exists():
    return []
  # A line that is being written has no end yet.
  lines = path.read_text().splitlines(keepends=True)
  records = [json.loads(x) for x in lines if x.endswith("\n")]
  return [{k: v for k, v in x.items() if k != "seconds"} for x in records]


def final_state(config, workdir, stage):
  """The newest saved state of a stage, as NumPy arrays."""
  made = stages.of(config, stage).make(config, workdir)
  here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  abstract = jax.tree.map(
      lambda x: x.update(sharding=here),
      jax.eval_shape(made.init, jax.random.key(0), made.load_frozen()))
  with checkpoint.Checkpoints(workdir / stage / "ckpt") as checkpoints:
    step, state, _ = checkpoints.restore(abstract)
  return step, jax.device_get(state)


def assert_same(a, b):
  """Two states agree in every bit."""
  for (path, x), y in zip(
      jax.tree_util.tree_leaves_with_path(a), jax.tree.leaves(b),
      strict=True):
    np.testing.assert_array_equal(x, y, jax.tree_util.keystr(path))


def demo(factory: pytest.TempPathFactory) -> tuple[pathlib.Path, str]:
  """(folder, stdout) of the demo's smoke run; trained on the first call."""
  base = factory.getbasetemp()
  if "PYTEST_XDIST_WORKER" in os.environ:
    base = base.parent  # of all workers: whoever is first trains it
  folder, said = base / "demo", base / "demo.txt"
  with open(base / "demo.lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not said.exists():
      said.write_text(finish(start(
          "-m", "semseg_jax", "demo", f"--workdir={folder}",
          "--variant=smoke")))
  return folder, said.read_text()


def copy_stages(source, folder, *names):
  """Trained stages of a run in another folder."""
  for name in names:
    shutil.copytree(source / name, folder / name)

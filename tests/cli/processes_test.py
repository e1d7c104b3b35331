"""train.py and eval.py in two processes of two devices against one process."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys

from absl import flags
import jax
import numpy as np
import pytest

from semseg_jax.cli import arguments
from semseg_jax.training import writers

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ("--config=configs/semantic_gan/toy_faces.py:labels=20,smoke",
         "--config.stages=('supervised',)", "--config.data.size=16",
         "--config.data.out_of_domain=()")


def parsed(*given):
  values = flags.FlagValues()
  arguments.define_processes(values)
  values(["train.py", *given])
  return values


@pytest.mark.parametrize(("given", "said"), [
    (["--process=1"], "--processes and --process need --coordinator=host"),
    (["--coordinator=auto", "--processes=2"], "need --coordinator=host:port"),
    (["--coordinator=h", "--processes=2"], "h: give host:port"),
    (["--coordinator=h:1", "--processes=2", "--process=2"],
     "--coordinator=h:1: process_id is 2"),
])
def test_flags_that_contradict(given, said):
  with pytest.raises(SystemExit, match=said):
    arguments.join(parsed(*given))


def test_auto_outside_a_cluster(monkeypatch):
  def initialize(**kwargs):  # JAX's own refuses where others have used JAX.
    del kwargs
    raise ValueError("coordinator_address should be defined.")

  monkeypatch.setattr(jax.distributed, "initialize", initialize)
  with pytest.raises(SystemExit, match="auto: the environment describes no cl"):
    arguments.join(parsed("--coordinator=auto"))


def test_without_flags_nothing_is_joined():
  arguments.join(parsed())


def run(script, workdir, count):
  """Ends when `count` processes of `script` have, each on two devices."""
  with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{s.getsockname()[1]}"
  # Two processes of two devices, or one of four.
  env = os.environ | {
      "XLA_FLAGS": f"--xla_force_host_platform_device_count={4 // count}"}
  joined = lambda i: () if count == 1 else (
      f"--coordinator={address}", f"--processes={count}", f"--process={i}")
  started = [subprocess.Popen(
      (sys.executable, script, *FLAGS, f"--workdir={workdir}", *joined(i)),
      cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
      text=True) for i in range(count)]
  outputs = [p.communicate(timeout=1500) for p in started]
  for process, (_, err) in zip(started, outputs, strict=True):
    assert process.returncode == 0, err[-4000:]
  return [out for out, _ in outputs]


def scores(workdir, split="test"):
  record = json.loads((workdir / "eval" / split / "record.json").read_text())
  return record["methods"]


@pytest.mark.slow
def test_two_processes_do_what_one_does(tmp_path):
  for count in (1, 2):
    run("train.py", tmp_path / str(count), count)
  one, two = (writers.read_metrics(
      tmp_path / n / "supervised/metrics.jsonl") for n in "12")
  assert [x["step"] for x in two] == [x["step"] for x in one]
  for name in ("loss", "cross_entropy", "dice"):
    losses = np.array([[x[name] for x in lines] for lines in (one, two)])
    np.testing.assert_allclose(losses[1, 0], losses[0, 0], rtol=1e-5)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
  assert [x.get("val/miou") for x in two] == pytest.approx(
      [x.get("val/miou") for x in one], abs=0.02)
  # The same trained run, scored by two processes and by one.
  shutil.copytree(tmp_path / "2", tmp_path / "again")
  first, second = run("eval.py", tmp_path / "2", 2)
  assert "mIoU" in first or "miou" in first
  assert "miou" not in second.lower()
  run("eval.py", tmp_path / "again", 1)
  assert scores(tmp_path / "2") == scores(tmp_path / "again")

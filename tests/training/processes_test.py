"""The loop in processes of its own: killed, on four devices, in a pair."""

import json
import os
import socket
import subprocess
import sys
import time

import numpy as np

from semseg_jax.training import checkpoint
from semseg_jax.training import mesh as mesh_lib
from semseg_jax.training import writers


def start(toy_path, *arguments):
  root = toy_path.parent.parent.parent
  env = os.environ | {"PYTHONPATH": str(root), "JAX_PLATFORMS": "cpu"}
  return subprocess.Popen(
      (sys.executable, str(toy_path), *map(str, arguments)), env=env,
      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process):
  out, err = process.communicate(timeout=120)
  assert process.returncode == 0, err
  return json.loads(out.splitlines()[-1])


def lines(workdir):
  metrics = writers.read_metrics(workdir / "metrics.jsonl")
  return [{k: v for k, v in x.items() if k != "seconds"} for x in metrics]


def test_killed_three_times_equals_unbroken(toy, toy_path, tmp_path):
  steps, rng = 60, np.random.default_rng()
  expected = toy.run(tmp_path / "whole", steps)
  folder, reached = tmp_path / "killed", 0
  for _ in range(3):
    process = start(toy_path, folder, steps, 0.02)
    # Far enough for a new checkpoint, then anywhere in a window or a save.
    goal = reached + int(rng.integers(6, 14))
    deadline = time.monotonic() + 100
    while checkpoint.latest(folder / "ckpt") in (None, reached) or not any(
        x["step"] >= goal for x in lines(folder)):
      assert process.poll() is None, process.communicate()[1]
      assert time.monotonic() < deadline
      time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.05))
    process.kill()
    process.communicate()
    now = checkpoint.latest(folder / "ckpt")
    assert now > reached
    reached = now
  assert reached < steps
  state = toy.run(folder, steps)
  np.testing.assert_array_equal(state.params["w"], expected.params["w"])
  assert lines(folder) == lines(tmp_path / "whole")


def test_four_devices_agree_with_one(toy, toy_path, tmp_path):
  on_four = result(start(toy_path, tmp_path / "four", 9, 0, 4))
  assert on_four["devices"] == 4
  on_one = toy.run(tmp_path / "one", 9, mesh=mesh_lib.make(
      toy.jax.devices()[:1]))
  np.testing.assert_allclose(on_four["w"], on_one.params["w"], atol=1e-5)
  # A run moves from four devices to one.
  moved = toy.run(tmp_path / "four", 12)
  whole = toy.run(tmp_path / "one", 12)
  np.testing.assert_allclose(moved.params["w"], whole.params["w"], atol=1e-5)


def test_two_processes_agree_with_one(toy, toy_path, tmp_path):
  with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{s.getsockname()[1]}"
  folder = tmp_path / "pair"
  pair = [start(toy_path, folder, 6, 0, 2, address, 2, i, 0) for i in range(2)]
  results = [result(p) for p in pair]
  assert [f["devices"] for f in results] == [4, 4]
  one = toy.run(tmp_path / "one", 6)
  for f in results:
    np.testing.assert_allclose(f["w"], one.params["w"], atol=1e-5)
  np.testing.assert_allclose(
      [x["loss"] for x in lines(folder)],
      [x["loss"] for x in lines(tmp_path / "one")], rtol=1e-5)


READ = """
import sys, jax, numpy as np
from semseg_jax.training import checkpoint, mesh
folder, address, process = sys.argv[1:]
mesh.initialize(address, 2, int(process))
if jax.process_index() == 0:
  shape = lambda *sides: jax.ShapeDtypeStruct(sides, np.float32)
  restored = checkpoint.restore_subtree(
      folder, {"params": {"w": shape(4, 3), "b": shape(3)}})
  print(np.asarray(restored["params"]["w"]).tolist())
"""


def test_one_of_two_processes_reads_alone(toy, toy_path, tmp_path):
  """As in an evaluation, whose process 0 alone scores the joint model."""
  expected = toy.run(tmp_path, 3).params["w"]
  with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{s.getsockname()[1]}"
  env = os.environ | {"PYTHONPATH": str(toy_path.parents[2])}
  pair = [subprocess.Popen(
      (sys.executable, "-c", READ, str(tmp_path / "ckpt"), address, str(i)),
      env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
          for i in range(2)]
  np.testing.assert_array_equal(result(pair[0]), expected)
  _, err = pair[1].communicate(timeout=120)
  assert pair[1].returncode == 0, err

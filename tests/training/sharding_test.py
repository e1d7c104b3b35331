"""States split over devices: where leaves go, and that results stay."""

import json
import os
import subprocess
import sys
import types

import jax
import numpy as np
import pytest

from semseg_jax.training import mesh as mesh_lib
from semseg_jax.training import writers


def on_eight(toy_path, name, workdir):
  """What tests/training/on_eight.py prints."""
  root = toy_path.parents[2]
  env = os.environ | {"PYTHONPATH": str(root), "JAX_PLATFORMS": "cpu"}
  process = subprocess.run(
      (sys.executable, str(toy_path.parent / "on_eight.py"), name,
       str(workdir)), env=env, capture_output=True, text=True, timeout=1500,
      check=False)
  assert process.returncode == 0, process.stderr
  return json.loads(process.stdout.splitlines()[-1])


def losses(folder, name):
  """Those of the steps that have it."""
  return [x[name] for x in writers.read_metrics(folder / "metrics.jsonl")
          if name in x]


def specs(monkeypatch, shapes, kind="fsdp"):
  """The partition of each shape on four devices."""
  monkeypatch.setattr(
      mesh_lib, "NamedSharding", lambda mesh, spec: tuple(spec))
  state = [jax.ShapeDtypeStruct(s, np.float32) for s in shapes]
  return mesh_lib.state_shardings(
      state, types.SimpleNamespace(size=4), kind)


def test_the_longest_axis_that_divides_is_split(monkeypatch):
  monkeypatch.setattr(mesh_lib, "MIN_SPLIT", 64)
  chosen = specs(monkeypatch, [
      (3, 3, 8, 16), (3, 3, 16, 16), (30, 8), (9, 9), (4, 4), (64,), (), (0,)])
  assert chosen == [
      (None, None, None, "data"), (None, None, None, "data"), (None, "data"),
      (), (), ("data",), (), ()]
  assert specs(monkeypatch, [(64, 64)], "replicated") == [()]


def test_small_arrays_stay_whole(monkeypatch):
  assert specs(monkeypatch, [(128, 64), (128, 128)]) == [(), (None, "data")]


def test_unknown_kind():
  with pytest.raises(ValueError, match="config.sharding is 'zero'.*fsdp"):
    mesh_lib.state_shardings({}, None, "zero")


def test_toy_on_eight_devices(toy, toy_path, tmp_path):
  report = on_eight(toy_path, "toy", tmp_path)
  assert report["devices"] == 8
  assert max(report["gaps"].values()) < 1e-5, report["gaps"]
  assert report["held"]["fsdp"] < 0.3 * report["held"]["replicated"]
  np.testing.assert_allclose(
      *(losses(tmp_path / k, "loss") for k in mesh_lib.SHARDINGS), rtol=1e-5)
  # What was saved in eighths is read on one device, and the reverse way.
  one = {k: toy.run(tmp_path / k, 12, width=16) for k in mesh_lib.SHARDINGS}
  np.testing.assert_allclose(
      one["fsdp"].params["w"], one["replicated"].params["w"], atol=1e-5)


@pytest.mark.slow
def test_joint_gan_on_eight_devices(toy_path, tmp_path):
  report = on_eight(toy_path, "gan", tmp_path)
  # Most of the state is split; what is left whole is small.
  assert report["held"]["fsdp"] < 0.3 * report["held"]["replicated"]
  for name in ("dr/loss", "dm/loss", "g/loss", "dr/r1", "dm/r1"):
    np.testing.assert_allclose(
        losses(tmp_path / "fsdp", name)[0],
        losses(tmp_path / "replicated", name)[0], rtol=1e-4, err_msg=name)

"""The mesh: even splits and their errors (several devices: processes_test)."""

import types

import jax
import numpy as np
import pytest

from semseg_jax.training import mesh as mesh_lib


def test_batch_and_replicated_values():
  mesh = mesh_lib.make(jax.devices()[:1])
  batch = {"image": np.arange(6, dtype=np.uint8).reshape(3, 2)}
  put = mesh_lib.put_batch(batch, mesh)
  np.testing.assert_array_equal(put["image"], batch["image"])
  assert put["image"].sharding == mesh_lib.batch_sharding(mesh)
  assert put["image"].dtype == np.uint8
  copied = mesh_lib.put_replicated({"w": np.ones(2)}, mesh)
  assert copied["w"].sharding == mesh_lib.replicated(mesh)


def test_numbers_of_a_batch_go_to_every_device():
  mesh = mesh_lib.make()
  put = mesh_lib.put_batch(
      {"index": np.int32(3), "image": np.zeros((4, 2))}, mesh)
  assert put["index"].sharding == mesh_lib.replicated(mesh)
  assert put["index"] == 3
  assert put["image"].sharding == mesh_lib.batch_sharding(mesh)


def test_uneven_batch_names_field_and_numbers():
  mesh = types.SimpleNamespace(size=4)
  mesh_lib.check_divisible(8, mesh, "batch_size")
  with pytest.raises(ValueError, match=(
      r"gan.batch_size = 6 does not split evenly over 4 devices: set "
      r"gan.batch_size to 4 or 8")):
    mesh_lib.check_divisible(6, mesh, "gan.batch_size")
  with pytest.raises(ValueError, match="batch_size to 4, or use fewer"):
    mesh_lib.check_divisible(3, mesh, "batch_size")


def test_process_id_out_of_range():
  with pytest.raises(ValueError, match="process_id is 2.*num_processes = 2"):
    mesh_lib.initialize("localhost:1", 2, 2)
  mesh_lib.initialize(None)  # a single process: nothing to do

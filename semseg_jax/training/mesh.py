"""Data parallelism: one mesh axis "data", parameters replicated, batches split.

The mesh's axis is of type Auto: a jitted function sees global arrays, means
and batch statistics are global, and no collective is ever written by hand.
"""

import jax
from jax.sharding import AxisType
from jax.sharding import Mesh
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
import numpy as np


def initialize(coordinator: str | None = None, num_processes: int = 1,
               process_id: int = 0) -> None:
  """Joins a run of several processes; call before any other use of JAX.

  Args:
    coordinator: "host:port" of process 0; None: a single process, nothing is
      done; "auto": everything is read from the cluster's environment.
    num_processes: processes in all.
    process_id: this one's number, 0 <= process_id < num_processes.
  """
  if coordinator is None:
    return
  if coordinator == "auto":
    jax.distributed.initialize()
    return
  if not 0 <= process_id < num_processes:
    raise ValueError(
        f"process_id is {process_id}, but must be at least 0 and below "
        f"num_processes = {num_processes}")
  jax.distributed.initialize(coordinator, num_processes, process_id)


def make(devices=None) -> Mesh:
  """One axis "data" over `devices`, by default all devices of all processes."""
  devices = jax.devices() if devices is None else devices
  return Mesh(np.asarray(devices), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
  """Every device holds the whole array."""
  return NamedSharding(mesh, P())


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """The first axis is split over the devices."""
  return NamedSharding(mesh, P("data"))


def check_divisible(batch_size: int, mesh: Mesh,
                    field: str = "batch_size") -> None:
  """Raises ValueError unless the global batch splits evenly over the mesh."""
  if batch_size % mesh.size:
    above = batch_size + -batch_size % mesh.size
    below = above - mesh.size
    nearest = f"{below} or {above}" if below else f"{above}"
    raise ValueError(
        f"{field} = {batch_size} does not split evenly over {mesh.size} "
        f"devices: set {field} to {nearest}, or use fewer devices")


def put_replicated(tree, mesh: Mesh):
  """Arrays and keys of the host on every device; equal on all processes."""
  sharding = replicated(mesh)
  if jax.process_count() == 1:
    return jax.device_put(tree, sharding)

  def put(x):
    if isinstance(x, jax.Array) and jax.dtypes.issubdtype(
        x.dtype, jax.dtypes.prng_key):
      return jax.random.wrap_key_data(
          put(jax.random.key_data(x)), impl=jax.random.key_impl(x))
    return jax.make_array_from_process_local_data(sharding, np.asarray(x))

  return jax.tree.map(put, tree)


def put_batch(batch, mesh: Mesh):
  """Global batch from this process's rows: NumPy leaves [n, ...] -> jax.Array.

  The global batch is the processes' rows in order of process index. Raises
  ValueError, naming the leaf, where its rows do not split over the devices.
  """
  sharding = batch_sharding(mesh)

  def put(path, x):
    rows = np.shape(x)[0] * jax.process_count()
    if rows % mesh.size:
      check_divisible(
          rows, mesh, f"batch_size (of batch{jax.tree_util.keystr(path)})")
    return jax.make_array_from_process_local_data(sharding, x)

  return jax.tree_util.tree_map_with_path(put, batch)

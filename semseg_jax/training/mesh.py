"""Data parallelism: one mesh axis "data", batches split; the state replicated,
or split as well over the same axis (as in ZeRO, Rajbhandari et al. 2020).

The mesh's axis is of type Auto: a jitted function sees global arrays, means
and batch statistics are global, and no collective is ever written by hand.
"""

import math
import re

import jax
from jax.experimental import multihost_utils
import jax.numpy as jnp
from jax.sharding import AxisType
from jax.sharding import Mesh
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
import numpy as np

# Seconds of silence after which the others take a process for lost.
_LOST_AFTER = 30
# Numbers in an array from which on splitting it is worth a collective.
MIN_SPLIT = 1 << 14
SHARDINGS = ("replicated", "fsdp")


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
    try:
      jax.distributed.initialize(heartbeat_timeout_seconds=_LOST_AFTER)
    except ValueError as error:
      raise ValueError(
          f"the environment describes no cluster ({error}); give host:port of "
          "process 0, --processes and --process") from error
  else:
    if not re.search(r":\d+$", coordinator):
      raise ValueError("give host:port, such as 10.0.0.1:8476")
    if not 0 <= process_id < num_processes:
      raise ValueError(
          f"process_id is {process_id}, but must be at least 0 and below "
          f"num_processes = {num_processes}")
    jax.distributed.initialize(
        coordinator, num_processes, process_id,
        heartbeat_timeout_seconds=_LOST_AFTER)
  _connect()


def _connect() -> None:
  """Sets up what the processes' collectives need, while all are here.

  On CPU the first collective of a group of devices connects its members, who
  wait for each other for about a minute only; afterwards they wait as long as
  the others take, such as to prepare data or to compile. The groups are all
  devices, and those of one number in each process (JAX's own barriers).
  """
  mesh = make()
  rows = jax.make_array_from_process_local_data(
      batch_sharding(mesh), np.ones(jax.local_device_count(), np.float32))
  jax.jit(jnp.sum, out_shardings=replicated(mesh))(rows).block_until_ready()
  together("connected")


def together(name: str) -> None:
  """Returns when every process is here, under the same name.

  A process that ends early gives the others a few minutes only.
  """
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices(name)


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


def state_shardings(state, mesh: Mesh, kind: str):
  """Where each leaf of a training state lies.

  Args:
    state: pytree of arrays or `jax.ShapeDtypeStruct`.
    mesh: from `make`.
    kind: "replicated": every device holds all of it; "fsdp": every leaf of
      MIN_SPLIT numbers or more is split along its longest axis that the
      devices divide, the last of several. Parameters, their average and the
      optimizer's moments alike; XLA gathers what a computation needs.

  Returns the same pytree of shardings; ValueError for another `kind`.
  """
  if kind not in SHARDINGS:
    raise ValueError(f"config.sharding is {kind!r}; use one of {SHARDINGS}")

  def sharding_of(x):
    axes = [a for a, n in enumerate(x.shape) if n and n % mesh.size == 0]
    if kind == "replicated" or not axes or math.prod(x.shape) < MIN_SPLIT:
      return replicated(mesh)
    longest = max(axes, key=lambda a: (x.shape[a], a))
    return NamedSharding(mesh, P(*[None] * longest, "data"))

  return jax.tree.map(sharding_of, state)


def local(tree):
  """A global pytree as this process alone may use it, on its first device.

  With one process the tree itself. Every process must call it, since leaves
  that are split over processes are gathered.
  """
  if jax.process_count() == 1:
    return tree

  def whole(x):
    if not x.is_fully_replicated:
      x = jax.jit(lambda x: x, out_shardings=replicated(x.sharding.mesh))(x)
    return x.addressable_data(0)

  return jax.tree.map(whole, tree)


def local_batch_sharding(batch_size: int, field: str) -> NamedSharding | None:
  """Splits a batch over this process's devices; None if there is one.

  Raises ValueError, naming `field`, where it does not split evenly.
  """
  devices = jax.local_devices()
  if len(devices) == 1:
    return None
  mesh = make(devices)
  check_divisible(batch_size, mesh, field)
  return batch_sharding(mesh)


def check_divisible(batch_size: int, mesh: Mesh, field: str) -> None:
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

  The global batch is the processes' rows in order of process index. A number,
  equal on all processes, goes to every device. Raises ValueError, naming the
  leaf, where its rows do not split over the devices.
  """
  sharding = batch_sharding(mesh)

  def put(path, x):
    if not np.shape(x):
      return put_replicated(x, mesh)
    check_divisible(np.shape(x)[0] * jax.process_count(), mesh,
                    f"batch_size (of batch{jax.tree_util.keystr(path)})")
    return jax.make_array_from_process_local_data(sharding, x)

  return jax.tree_util.tree_map_with_path(put, batch)

"""Interleaved timing: every round runs each case once, so that a machine whose
speed drifts during the measurement favors none of them."""

from collections.abc import Callable
import ctypes
import pathlib
import resource
import statistics
import time
from typing import NamedTuple


class Timing(NamedTuple):
  """Seconds of one case over the rounds; `spread` is half the distance of the
  quartiles, relative to the median."""
  median: float
  minimum: float
  rounds: int
  spread: float = 0.0


def interleave(
    cases: dict[str, Callable[[], object]], rounds: int, *, clock=None,
    warm: bool = True
) -> dict[str, Timing]:
  """Times `cases` round robin.

  Args:
    cases: functions that return only when their work is done (for JAX, fetch
      the result or `jax.block_until_ready` it).
    rounds: counted runs of each case.
    clock: runs a function and returns what is to be counted; None: the seconds
      it takes.
    warm: each case is run once before, which is not counted.
  """
  clock = clock or seconds_of
  for run in cases.values() if warm else ():
    run()
  seconds = {name: [] for name in cases}
  for _ in range(rounds):
    for name, run in cases.items():
      seconds[name].append(clock(run))
  return {name: _summary(values) for name, values in seconds.items()}


def seconds_of(run) -> float:
  """How long a function takes."""
  start = time.perf_counter()
  run()
  return time.perf_counter() - start


def _summary(values) -> Timing:
  median, spread = statistics.median(values), 0.0
  if len(values) > 1:
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    spread = (high - low) / 2 / median
  return Timing(median, min(values), len(values), spread)


def processor_seconds_of(run) -> float:
  """The same in seconds of this process on all cores."""
  start = time.process_time()
  run()
  return time.process_time() - start


def product(side: int, dtype, precision=None):
  """(run, FLOPs) of a product of random square matrices."""
  import jax

  a = jax.random.normal(jax.random.key(0), (side, side)).astype(dtype)
  multiply = jax.jit(lambda a: jax.numpy.matmul(a, a, precision=precision))
  return lambda: jax.block_until_ready(multiply(a)), 2.0 * side ** 3


def copy(size: int):
  """(run, bytes read and written) of an array of `size` bytes doubled."""
  import jax

  x = jax.numpy.ones((size // 4,))
  double = jax.jit(lambda x: x * 2)
  return lambda: jax.block_until_ready(double(x)), 2 * size


def reset_memory():
  """Starts the peak of this process's memory anew, where Linux lets us."""
  try:
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    pathlib.Path("/proc/self/clear_refs").write_text("5")
  except OSError:
    pass


def resident_mib() -> float:
  """Largest resident size in MiB since `reset_memory`."""
  try:
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
      if line.startswith("VmHWM"):
        return int(line.split()[1]) / 1024
  except OSError:
    pass
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_memory_mib() -> float:
  """The device's peak in MiB where it tells, else the process's."""
  import jax

  stats = jax.devices()[0].memory_stats()
  return stats["peak_bytes_in_use"] / 2 ** 20 if stats else resident_mib()

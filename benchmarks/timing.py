"""Interleaved timing: every round runs each case once, so that a machine whose
speed drifts during the measurement favours none of them."""

from collections.abc import Callable
import statistics
import time
from typing import NamedTuple


class Timing(NamedTuple):
  """Seconds of one case over the rounds."""
  median: float
  minimum: float
  rounds: int


def interleave(
    cases: dict[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
  """Times `cases` round robin, after one run of each that is not counted.

  Args:
    cases: functions that return only when their work is done (for JAX, fetch
      the result or `jax.block_until_ready` it).
    rounds: counted runs of each case.
  """
  for run in cases.values():
    run()
  seconds = {name: [] for name in cases}
  for _ in range(rounds):
    for name, run in cases.items():
      start = time.perf_counter()
      run()
      seconds[name].append(time.perf_counter() - start)
  return {
      name: Timing(statistics.median(s), min(s), rounds)
      for name, s in seconds.items()}


def flops(compiled) -> float:
  """Floating point operations that the compiler counts in a program."""
  return (compiled.cost_analysis() or {}).get("flops", float("nan"))

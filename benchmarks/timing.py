"""Interleaved timing: every round runs each case once, so that a machine whose
speed drifts during the measurement favours none of them."""

from collections.abc import Callable
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


def flops(compiled) -> float:
  """Floating point operations that the compiler counts in a program."""
  return (compiled.cost_analysis() or {}).get("flops", float("nan"))

"""From a compiled program to memory, time and scaling.

Time is a roofline's lower bound: the larger of FLOPs / peak FLOPs and bytes /
bandwidth, both counted by XLA for one device's program, plus the collectives'
bytes over the interconnect, nothing overlapping. Real programs reach a part of
it; the ratio of two predictions is worth more than either.
"""

import math
import re
from typing import NamedTuple

import jax

_BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2,
          "f32": 4, "s32": 4, "u32": 4, "f64": 8, "s64": 8, "u64": 8}
_COLLECTIVE = re.compile(
    r"= (\([^=]*?\)|\S+) "
    r"(all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)"
    r"(?:-start)?\(")
_COMMENT = re.compile(r"/\*.*?\*/")  # Between the arrays of a long tuple.
_ARRAY = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")


_SHORTAGE = re.compile(r"([\d.]+)([KMGT])\) exceeds available")
_UNIT = {"K": 2 ** 10, "M": 2 ** 20, "G": 2 ** 30, "T": 2 ** 40}


class Cost(NamedTuple):
  """One device's program."""
  # arguments, temporaries, output: bytes; reused: bytes of the output that
  # reuse the arguments' memory.
  arguments: float
  temporaries: float
  output: float
  reused: float
  # flops, bytes: work and traffic of one call; NaN for a program that the
  # compiler refused because it does not fit.
  flops: float
  bytes: float
  collective: float  # bytes that collectives give back in one call
  collectives: int = 0  # how many there are

  @property
  def memory(self) -> float:
    """Bytes needed at the same time."""
    return self.arguments + self.temporaries + self.output - self.reused


def of(lowered) -> Cost:
  """Compiles a lowered program; its figures, or what of it does not fit."""
  try:
    return cost(lowered.compile())
  except jax.errors.JaxRuntimeError as error:
    shortage = _SHORTAGE.search(str(error))
    if not shortage:
      raise
    size = float(shortage[1]) * _UNIT[shortage[2]]
    return Cost(0, size, 0, 0, math.nan, math.nan, math.nan)


def cost(compiled) -> Cost:
  """Reads a compiled program's own figures."""
  memory, work = compiled.memory_analysis(), compiled.cost_analysis() or {}
  count, size = collectives(compiled.as_text())
  return Cost(
      memory.argument_size_in_bytes, memory.temp_size_in_bytes,
      memory.output_size_in_bytes, memory.alias_size_in_bytes,
      work.get("flops", math.nan), work.get("bytes accessed", math.nan),
      size, count)


def collectives(text: str) -> tuple[int, int]:
  """(number, bytes of the results) of a compiled module's collectives.

  Args:
    text: `jax.stages.Compiled.as_text()`.
  """
  results = [shapes for shapes, _ in _COLLECTIVE.findall(
      _COMMENT.sub("", text))]
  total = 0
  for kind, sides in _ARRAY.findall(" ".join(results)):
    if kind in _BYTES:
      total += _BYTES[kind] * math.prod(int(s) for s in sides.split(",") if s)
  return len(results), total


def seconds(cost: Cost, chip, devices: int) -> float:
  """Lower bound for one call on `devices` chips; see the module's docstring."""
  return (max(cost.flops / chip.flops, cost.bytes / chip.bandwidth)
          + collective_seconds(cost.collective, chip, devices))


def collective_seconds(size: float, chip, devices: int) -> float:
  """A ring all-reduce of `size` bytes: each byte passes twice but for 1/n."""
  return 2 * (devices - 1) / devices * size / chip.interconnect


def largest_batch(small, large, chip) -> int:
  """Images per device that fit, from two (images per device, Cost).

  Memory is taken to grow linearly between and beyond the two; 0 where not even
  what does not depend on the batch fits. `small` where `large` does not.
  """
  (n, a), (m, b) = small, large
  if math.isnan(b.flops):  # refused: how much it lacks is not known exactly
    return 0 if math.isnan(a.flops) else int(n)
  slope = max((b.memory - a.memory) / (m - n), 1.0)
  fixed = a.memory - slope * n
  return max(0, math.floor((chip.memory - fixed) / slope))


def efficiency(cost: Cost, chip, devices: int) -> float:
  """Share of linear speed-up, the batch growing with the devices."""
  alone = seconds(cost._replace(collective=0), chip, 1)
  return alone / seconds(cost, chip, devices)

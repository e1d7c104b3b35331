"""Whether two sides compute the same."""

import numpy as np

# Largest difference over the largest value, in the first run and in the second,
# to which training has fed back rounding through signs of gradients.
_TOLERANCE = {"float32": (2e-3, 2e-2), "bfloat16": (0.1, 0.3)}


def tolerances(dtype: str, device: str, slack=1.0) -> tuple[float, float]:
  """Of the first and the second run, times `slack`."""
  first, second = (slack * x for x in _TOLERANCE[dtype])
  if device == "cpu" or dtype != "float32":
    return first, second
  return 10 * first, 5 * second  # Products round more off the CPU.


def gaps(results, reference) -> dict[str, float]:
  """Largest difference of each output, relative to its largest value.

  Args:
    results, reference: {name: array}; what is in both is compared.

  Raises:
    ValueError: nothing in common, or a shape differs.
  """
  common = sorted(set(results) & set(reference))
  if not common:
    raise ValueError(
        f"no output in common: {sorted(results)}, {sorted(reference)}")
  largest = {}
  for name in common:
    a, b = (np.asarray(x[name], np.float64) for x in (results, reference))
    if a.shape != b.shape:
      raise ValueError(f"output {name!r} is {a.shape} and {b.shape}")
    scale = max(np.abs(b).max(), 1e-2)
    largest[name] = float(np.abs(a - b).max() / scale)
  return largest


def verify(results, reference, limits) -> float:
  """The largest gap of the first run.

  Args:
    results, reference: two runs' outputs each.
    limits: from `tolerances`.

  Raises:
    ValueError: a gap is above its run's tolerance or not a number.
  """
  worst = 0.0
  for i, (a, b, limit) in enumerate(
      zip(results, reference, limits, strict=True)):
    for name, gap in gaps(a, b).items():
      if not gap <= limit:
        raise ValueError(
            f"run {i + 1}: {name!r} differs by {gap:.2g} of its largest value, "
            f"allowed is {limit}")
      worst = worst if i else max(worst, gap)
  return worst

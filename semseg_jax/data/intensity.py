"""Gray values of medical images to 8 bits."""

import numpy as np


def equalized(values: np.ndarray) -> np.ndarray:
  """Unsigned integers [H, W] -> float64 in [0, 1] of nearly even histogram.

  The usual map through the cumulative histogram, in which the smallest value
  becomes 0; the depth of `values` is used in full. An image of one value
  becomes 0.
  """
  counts = np.cumsum(np.bincount(values.ravel()))
  lowest = counts[counts > 0][0]
  table = np.maximum(counts - lowest, 0) / max(counts[-1] - lowest, 1)
  return table[values]


def windowed(values: np.ndarray, low: float, high: float) -> np.ndarray:
  """Any numbers -> float64 in [0, 1]: `low` and less is 0, `high` is 1."""
  return np.clip((values - low) / max(high - low, 1e-12), 0, 1)


def to_uint8(unit: np.ndarray) -> np.ndarray:
  """[0, 1] -> uint8, rounded."""
  return np.rint(255 * unit).astype(np.uint8)


def radiograph(values: np.ndarray, *, plain: bool = False) -> np.ndarray:
  """Unsigned integers [H, W] -> uint8 [H, W, 1].

  Histogram equalization, then gamma 0.5, as SemanticGAN's code prepares
  X-rays. `plain`: 8-bit values as they are, deeper ones
  spread over 8 bits.
  """
  if not plain:
    gray = to_uint8(np.sqrt(equalized(values)))
  elif values.dtype == np.uint8:
    gray = values
  else:
    gray = to_uint8(windowed(values.astype(float), values.min(), values.max()))
  return gray[..., None]

"""Precision and recall of generated images (Kynkäänniemi et al. 2019).

The share of generated features within the real ones' manifold (fidelity), and
of real features within the generated ones' (coverage: it falls when a
generator collapses). A manifold is the union of balls around its features,
each reaching to its k-th nearest neighbor.
"""

import numpy as np

NEIGHBOUR = 3  # Which one a ball reaches to, as published.
_BLOCK = 1024  # Rows of a distance matrix at a time.


def precision_and_recall(
    real, fake, *, k: int = NEIGHBOUR) -> tuple[float, float]:
  """(precision, recall), both in [0, 1].

  Compare values of equally many features only: recall falls with their number.

  Args:
    real, fake: features [n, d] and [m, d], more than k of each.
    k: which neighbor a ball reaches to.

  Raises ValueError: too few features, or of different widths.
  """
  real, fake = (np.asarray(x, np.float64) for x in (real, fake))
  if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
    raise ValueError(
        f"features of one width expected: {real.shape}, {fake.shape}")
  if min(len(real), len(fake)) <= k:
    raise ValueError(
        f"{len(real)} and {len(fake)} features: more than k={k} of each needed")
  return _share_within(fake, real, k), _share_within(real, fake, k)


def _share_within(points, centres, k):
  """Share of `points` in a ball around any of `centres`."""
  radii = np.concatenate([
      # The nearest one is the point itself.
      np.partition(block, k, axis=1)[:, k]
      for block in _squared_distances(centres, centres)])
  within = [(block <= radii).any(1)
            for block in _squared_distances(points, centres)]
  return float(np.concatenate(within).mean())


def _squared_distances(a, b):
  """Yields blocks of rows of the matrix [len(a), len(b)]."""
  # About the common mean: a large one would cost the differences their digits.
  centre = b.mean(0)
  a, b = a - centre, b - centre
  squares = np.square(b).sum(1)
  for first in range(0, len(a), _BLOCK):
    rows = a[first:first + _BLOCK]
    distances = np.square(rows).sum(1)[:, None] + squares - 2 * rows @ b.T
    yield np.maximum(distances, 0.0)

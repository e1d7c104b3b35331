"""Distances between image sets from features of any network.

Frechet distance (Heusel et al. 2017), kernel distance (Binkowski et al. 2018)
and Inception Score (Salimans et al. 2016), in NumPy and float64.
"""

from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
  """mean: [size]; covariance: [size, size], unbiased."""
  mean: np.ndarray
  covariance: np.ndarray


def moments(features) -> Moments:
  """Moments of features [n, size].

  Raises ValueError: fewer than two, or an array of another kind.
  """
  features = np.asarray(features, np.float64)
  if features.ndim != 2 or len(features) < 2:
    raise ValueError(
        f"two or more features [n, size] expected, got {features.shape}")
  mean = features.mean(0)
  centred = features - mean
  return Moments(mean, centred.T @ centred / (len(features) - 1))


def frechet_distance(a: Moments, b: Moments) -> float:
  """|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)); FID on Inception features.

  The root's trace is that of (A^(1/2) B A^(1/2))^(1/2): a symmetric matrix, so
  that its eigenvalues are real also when A or B is singular.
  """
  root = _symmetric_root(a.covariance)
  values = np.linalg.eigvalsh(root @ b.covariance @ root)
  trace_of_root = np.sqrt(np.maximum(values, 0.0)).sum()
  shift = a.mean - b.mean
  distance = (
      shift @ shift + np.trace(a.covariance) + np.trace(b.covariance)
      - 2.0 * trace_of_root)
  return float(max(distance, 0.0))


def kernel_distance(a, b, *, subsets: int = 100, subset_size: int = 1000
                    ) -> tuple[float, float]:
  """Unbiased squared MMD with the kernel (x.y / d + 1)^3; KID.

  Args:
    a, b: features [n, d] and [m, d].
    subsets: how many random subsets are averaged.
    subset_size: features in each, at most min(n, m).

  Returns (mean, standard deviation) over the subsets.
  """
  a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
  if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
    raise ValueError(f"features of one width expected: {a.shape}, {b.shape}")
  size = min(subset_size, len(a), len(b))
  if size < 2:
    raise ValueError(f"{len(a)} and {len(b)} features are too few")
  rng = np.random.default_rng(0)
  values = []
  for _ in range(subsets):
    x = a[rng.choice(len(a), size, replace=False)]
    y = b[rng.choice(len(b), size, replace=False)]
    values.append(_squared_mmd(x, y))
  return float(np.mean(values)), float(np.std(values))


def inception_score(logits, *, splits: int = 10) -> tuple[float, float]:
  """exp(mean KL(p(class | image) || p(class))) over splits of the images.

  Args:
    logits: [n, classes] of a classifier.
    splits: parts into which the images, in their order, are cut.

  Returns (mean, standard deviation) over the splits.
  """
  logits = np.asarray(logits, np.float64)
  if logits.ndim != 2 or not 1 <= splits <= len(logits):
    raise ValueError(f"logits {logits.shape} in {splits} splits")
  shifted = logits - logits.max(1, keepdims=True)
  log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
  values = []
  for part in np.array_split(log_p, splits):
    p = np.exp(part)
    # A class that never has any probability adds 0, not 0 * log 0.
    log_mean = np.log(np.maximum(p.mean(0), np.finfo(np.float64).tiny))
    values.append(np.exp((p * (part - log_mean)).sum(1).mean()))
  return float(np.mean(values)), float(np.std(values))


def _symmetric_root(matrix):
  values, vectors = np.linalg.eigh(matrix)
  return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _squared_mmd(x, y):
  size, width = x.shape
  kernel = lambda u, v: (u @ v.T / width + 1.0) ** 3
  within = lambda k: (k.sum() - np.trace(k)) / (size * (size - 1))
  return within(kernel(x, x)) + within(kernel(y, y)) - 2.0 * kernel(x, y).mean()

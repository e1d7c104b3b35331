"""Image-level class scores: their use on segmentation logits, their quality.

The fusion of s4GAN + MLMT (Mittal et al. 2021, section 3.3), average precision
and ROC curves. NumPy or JAX arrays where not said otherwise.
"""

import numpy as np

from semseg_jax.ops import image_ops

# Finite, as interpolating infinite logits gives NaN.
_REMOVED = -1e9


def present(scores, tau: float, *, official: bool = False):
  """Which classes an image's scores leave: those above `tau`.

  Args:
    scores: [N, C] in [0, 1].
    tau: threshold.
    official: as in the official code a score of exactly `tau` stays, and an
      image may be left without a class.

  Returns [N, C] bool; unless `official`, all True in an image that would be
  left without a class.
  """
  if official:
    return scores >= tau
  above = scores > tau
  return above | ~above.any(-1, keepdims=True)


def fuse(logits, remaining, *, multiply: bool = False):
  """Takes from each image the classes that it does not have.

  Args:
    logits: [N, H, W, C].
    remaining: [N, C] bool, the classes of each image.
    multiply: multiply logits by 0 or 1 instead of removing classes, as the
      official code does: a class at 0 wins where all others are negative.
  """
  xp = image_ops.namespace(logits)
  remaining = remaining[:, None, None, :]
  if multiply:
    return logits * remaining.astype(logits.dtype)
  return xp.where(remaining, logits, xp.asarray(_REMOVED, logits.dtype))


def unroll(table: np.ndarray) -> np.ndarray:
  """The [N, C] scores in a score file of the official MLMT, background first.

  The official code moves the last column, the background, to the front by
  rolling the whole table, so that column 0 of a row belongs to the row before.
  NumPy.

  Returns [N, C] with column 0 of the right rows.
  """
  fixed = np.array(table)
  fixed[:, 0] = np.roll(fixed[:, 0], -1)
  return fixed


def average_precision(scores, truth) -> np.ndarray:
  """Area under the step function of precision over recall, by class. NumPy.

  Args:
    scores: [N, C].
    truth: [N, C] in {0, 1}.

  Returns float64 [C]; NaN where no image has the class. Equal scores count as
  one threshold.
  """
  precision = np.full(scores.shape[1], np.nan)
  for c in range(scores.shape[1]):
    hits, ranks = _hits(scores[:, c], truth[:, c])
    if hits[-1]:
      recall = hits / hits[-1]
      precision[c] = np.sum(np.diff(recall, prepend=0.0) * hits / ranks)
  return precision


def roc_curve(scores, truth) -> tuple[np.ndarray, np.ndarray]:
  """(false positive rates, true positive rates) from (0, 0) to (1, 1). NumPy.

  Args:
    scores: [N]; of several classes, flattened: the micro-average.
    truth: [N] in {0, 1}.
  """
  hits, ranks = _hits(np.ravel(scores), np.ravel(truth))
  misses = ranks - hits
  rate = lambda x: np.concatenate([[0.0], x / max(x[-1], 1)])
  return rate(misses), rate(hits)


def roc_area(scores, truth) -> float:
  """Area under `roc_curve`; NaN unless `truth` has both 0 and 1."""
  if np.ptp(truth) == 0:
    return float("nan")
  false, true = roc_curve(scores, truth)
  return float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2))


def _hits(scores, truth):
  """(true positives, positives) at each distinct threshold, from the top."""
  order = np.argsort(-scores, kind="stable")
  scores, truth = scores[order], np.asarray(truth)[order].astype(np.float64)
  last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
  return np.cumsum(truth)[last], last + 1.0

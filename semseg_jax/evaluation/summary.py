"""Scores of a method from the confusion counts of each image."""

import functools
import math

import numpy as np

from semseg_jax.data import datasets
from semseg_jax.ops import scores


def summarise(confusion: np.ndarray, class_names, *, volumes=None,
              confidence=None) -> dict:
  """Scores from the counts of each image; undefined ones are None.

  Args:
    confusion: [N, C, C] counts.
    class_names: C names; the first is the background where
      `datasets.has_background`, else a class like the others.
    volumes: N ids of the volumes that the images are slices of.
    confidence: [N] of the predictor, whatever its unit.

  Returns:
    miou, per_class_iou (by name), foreground_miou (without the background),
    miou_absent_zero (classes that never occur count as 0), pixel_accuracy:
    from the counts of all images together. dice, jaccard: foreground mean of
    each image, averaged over the images where it is defined;
    dice_per_volume: the same over volumes. images: N. confidence: Pearson
    and Spearman correlation with the images' pixel accuracy, and the mean.
  """
  total = confusion.sum(0)
  by_class = scores.iou(total)
  foreground = functools.partial(
      scores.foreground, background=datasets.has_background(class_names))
  summary = {
      "images": len(confusion),
      "miou": _number(scores.mean_iou(total)),
      "miou_absent_zero": _number(scores.mean_iou(total, absent="zero")),
      "foreground_miou": _number(foreground(by_class)),
      "per_class_iou": {
          name: _number(x) for name, x in zip(
              class_names, by_class, strict=True)},
      "dice": _mean(foreground(scores.dice(confusion))),
      "dice_per_volume": None,
      "jaccard": _mean(foreground(scores.iou(confusion))),
      "pixel_accuracy": _number(scores.pixel_accuracy(total)),
      "confidence": None,
  }
  if volumes is not None:
    _, by_volume = scores.sum_by_volume(confusion, volumes)
    summary["dice_per_volume"] = _mean(foreground(scores.dice(by_volume)))
  if confidence is not None:
    accuracy = scores.pixel_accuracy(confusion)
    known = np.isfinite(accuracy) & np.isfinite(confidence)
    x, y = confidence[known].astype(np.float64), accuracy[known]
    summary["confidence"] = {
        "mean": _mean(confidence),
        "pearson": correlation(x, y),
        "spearman": correlation(_ranks(x), _ranks(y)),
    }
  return summary


def correlation(x: np.ndarray, y: np.ndarray) -> float | None:
  """Pearson's correlation of two vectors; None where one does not vary."""
  if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
    return None
  x, y = x - x.mean(), y - y.mean()
  return float((x @ y) / math.sqrt((x @ x) * (y @ y)))


def image_quality(confusion: np.ndarray, class_names) -> np.ndarray:
  """[N] that ranks images: foreground IoU, or accuracy where undefined."""
  quality = scores.foreground(
      scores.iou(confusion), datasets.has_background(class_names))
  return np.where(
      np.isnan(quality), scores.pixel_accuracy(confusion), quality)


def _ranks(x):
  """Ranks of a vector, equal values sharing their mean rank."""
  _, where, counts = np.unique(x, return_inverse=True, return_counts=True)
  last = np.cumsum(counts)
  return (last - (counts - 1) / 2.0)[where.reshape(-1)]


def _mean(values):
  known = np.asarray(values)[np.isfinite(values)]
  return float(known.mean()) if known.size else None


def _number(value):
  return float(value) if np.isfinite(value) else None

"""Scores of label maps from confusion matrices: IoU, Dice, accuracy.

A confusion matrix has the truth in rows and the prediction in columns.
Functions take NumPy or JAX arrays; the latter also under jit. A class that is
neither in the truth nor predicted is *absent*: its score is undefined (NaN).
"""

import math

import jax.numpy as jnp
import numpy as np

from semseg_jax.ops import image_ops


def confusion_matrix(
    label, prediction, num_classes: int, ignore_index: int | None = None):
  """Counts pixels by true and predicted class, for each image.

  Args:
    label: [..., H, W] integer classes.
    prediction: [..., H, W] integer classes.
    num_classes: number of classes (2 for a binary task).
    ignore_index: label of pixels that are not counted.

  Returns:
    [..., C, C] counts: int64 for NumPy, int32 for JAX, where a pixel with a
    class outside [0, C) is left out.

  Raises:
    ValueError: NumPy only, if a counted pixel's class is outside [0, C).
  """
  if label.shape != prediction.shape:
    raise ValueError(
        f"label {label.shape} against prediction {prediction.shape}")
  xp = image_ops.namespace(label, prediction)
  kind = xp.int32 if xp is jnp else xp.int64
  label, prediction = label.astype(kind), prediction.astype(kind)
  counted = xp.ones(label.shape, bool)
  if ignore_index is not None:
    counted = label != ignore_index
  inside = (
      counted & (label >= 0) & (label < num_classes)
      & (prediction >= 0) & (prediction < num_classes))
  if xp is np and not np.array_equal(inside, counted):
    bad = counted & ~inside
    raise ValueError(
        f"classes outside [0, {num_classes}): labels "
        f"{np.unique(label[bad])[:5].tolist()}, predictions "
        f"{np.unique(prediction[bad])[:5].tolist()}; is ignore_index "
        f"({ignore_index}) right?")
  lead = label.shape[:-2]
  images = math.prod(lead)
  cells = num_classes * num_classes
  # One count for all images; pixels not counted fall into a last bin.
  first = xp.arange(images, dtype=kind).reshape(*lead, 1, 1) * cells
  cell = first + label * num_classes + prediction
  cell = xp.where(inside, cell, images * cells).reshape(-1)
  size = images * cells + 1
  if xp is np:
    counts = np.bincount(cell, minlength=size)
  else:
    counts = jnp.bincount(cell, length=size)
  return counts[:-1].reshape(*lead, num_classes, num_classes)


def iou(confusion):
  """Intersection over union by class (Jaccard): [..., C, C] -> [..., C]."""
  hit, truth, predicted = _counts(confusion)
  return _ratio(hit, truth + predicted - hit)


def dice(confusion):
  """Dice score by class: [..., C, C] -> [..., C]; NaN where absent."""
  hit, truth, predicted = _counts(confusion)
  return _ratio(2 * hit, truth + predicted)


def mean_iou(confusion, *, absent: str = "exclude"):
  """Mean IoU over classes: [..., C, C] -> [...].

  Args:
    confusion: counts.
    absent: "exclude" leaves absent classes out of the mean; "zero" counts
      them as 0 (the convention of SemanticGAN's and s4GAN's official code).
  """
  return class_mean(iou(confusion), absent=absent)


def pixel_accuracy(confusion):
  """Share of counted pixels with the right class: [..., C, C] -> [...]."""
  hit, truth, _ = _counts(confusion)
  return _ratio(hit.sum(-1), truth.sum(-1))


def class_mean(scores, *, absent: str = "exclude"):
  """Mean of [..., C] scores over classes, NaN being an absent class."""
  if absent not in ("exclude", "zero"):
    raise ValueError(f"absent is 'exclude' or 'zero', not {absent!r}")
  xp = image_ops.namespace(scores)
  known = ~xp.isnan(scores)
  total = xp.where(known, scores, 0.0).sum(-1)
  if absent == "zero":
    return total / scores.shape[-1]
  return _ratio(total, known.sum(-1))


def foreground(scores, background: bool = True):
  """Mean of [..., C] scores over all classes but class 0, the background.

  Without a `background` over all classes.
  """
  return class_mean(scores[..., int(background):])


def sum_by_volume(confusion, volumes):
  """Adds up the counts of each volume's slices (Dice per patient).

  Args:
    confusion: NumPy [N, C, C].
    volumes: N ids.

  Returns:
    (ids [V] in sorted order, counts [V, C, C]).
  """
  ids, where = np.unique(np.asarray(volumes), return_inverse=True)
  counts = np.zeros((len(ids), *confusion.shape[1:]), confusion.dtype)
  np.add.at(counts, where.reshape(-1), confusion)
  return ids, counts


def _counts(confusion):
  """(right, truth, predicted) pixels by class, each [..., C]."""
  xp = image_ops.namespace(confusion)
  # float64 holds any count exactly; JAX has float32 unless x64 is on.
  confusion = confusion.astype(xp.float32 if xp is jnp else xp.float64)
  hit = xp.diagonal(confusion, axis1=-2, axis2=-1)
  return hit, confusion.sum(-1), confusion.sum(-2)


def _ratio(part, whole):
  xp = image_ops.namespace(part, whole)
  return xp.where(whole > 0, part / xp.maximum(whole, 1), xp.nan)

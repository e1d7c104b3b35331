"""Class prototypes in a generator's features, and labels by them.

Fewshot-SMIS (Endo and Kanamori, "Few-shot Semantic Image Synthesis Using
StyleGAN Prior", 2021), section 3.2: a few annotated images give
representative vectors, by which the features of any further sample are
labeled. Dense annotations give one vector per class (or, not in the paper, one
per cell) and a label to every cell; sparse ones (scribbles, landmarks) give a
vector per annotated cell and labels to the few cells most similar to each,
class 0 meaning unknown.

All functions are pure and of fixed shapes. Features are [N, h, w, D], labels
integers [N, H, W] with H a multiple of h, read at every (H / h)-th pixel.
"""

from typing import NamedTuple

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from semseg_jax.ops import image_ops
from semseg_jax.ops import segmentation_losses

_EPS = 1e-8


class Prototypes(NamedTuple):
  """Representative vectors of unit length and the class of each.

  vectors: [V, D] float32; classes: [V] int32, -1 labels nothing. A dense class
  that no image shows has the zero vector (`shown`); class 0 of sparse ones
  labels nothing.
  """
  vectors: jax.Array
  classes: jax.Array


def dense(features, label, num_classes: int) -> Prototypes:
  """A vector per class: masked average pooling, averaged over images.

  Args:
    features: [N, h, w, D] of the annotated images.
    label: [N, H, W]; labels outside [0, num_classes) are left out.
    num_classes: C.

  Returns c prototypes. A class's vector is the mean over the images that show
  it of the mean over its cells.
  """
  features = features.astype(jnp.float32)
  onehot = segmentation_losses.one_hot(
      cells(label, features.shape[1]), num_classes)
  count = onehot.sum((1, 2))  # [N, C]
  total = _einsum("nhwc,nhwd->ncd", onehot, features)
  shown = (count > 0)[..., None]
  means = jnp.where(shown, total / jnp.maximum(count, 1.0)[..., None], 0.0)
  vectors = means.sum(0) / (shown.sum(0) + _EPS)
  return Prototypes(_unit(vectors), jnp.arange(num_classes, dtype=jnp.int32))


def shown(prototypes: Prototypes) -> Prototypes:
  """Those of `dense`; classes that no image shows label nothing.

  In the official code their cosine of 0 wins where all others are negative.
  """
  there = (prototypes.vectors != 0).any(-1)
  return prototypes._replace(
      classes=jnp.where(there, prototypes.classes, -1))


def every_cell(features, label, num_classes: int) -> Prototypes:
  """A vector for each of the N * h * w cells; arguments as of `dense`.

  Not the paper's: a class whose look varies, such as hair, keeps all of its
  looks.
  """
  label = cells(label, features.shape[1]).ravel()
  known = (label >= 0) & (label < num_classes)
  vectors = features.reshape(-1, features.shape[-1]).astype(jnp.float32)
  return Prototypes(
      _unit(vectors), jnp.where(known, label, -1).astype(jnp.int32))


def sparse(features, label, capacity: int) -> Prototypes:
  """A vector per annotated cell, in the order of images, rows and columns.

  Args:
    features: [N, h, w, D] of the annotated images.
    label: [N, H, W]; 0 is unknown.
    capacity: number of vectors V, at least the number of annotated cells
      (`annotated_cells`); entries left over get class 0.
  """
  label = cells(label, features.shape[1]).ravel()
  (positions,) = jnp.nonzero(label > 0, size=capacity, fill_value=-1)
  vectors = features.reshape(-1, features.shape[-1])[positions]
  classes = jnp.where(positions >= 0, label[positions], 0)
  return Prototypes(
      _unit(vectors.astype(jnp.float32)), classes.astype(jnp.int32))


def annotated_cells(label, size: int) -> int:
  """How many cells of maps of `size` x `size` a sparse label [N, H, W] marks.

  On the host, once: `sparse` needs the number as a shape.
  """
  return int((cells(np.asarray(label), size) > 0).sum())


def label_dense(prototypes: Prototypes, features):
  """Class of the most similar prototype by cosine; the first wins a tie.

  Args:
    prototypes: of `dense` or `every_cell`.
    features: [N, h, w, D].

  Returns [N, h, w] int32.
  """
  cosine = jnp.where(
      prototypes.classes >= 0, _cosine(prototypes, features), -jnp.inf)
  return prototypes.classes[jnp.argmax(cosine, -1)]


def label_sparse(prototypes: Prototypes, features, num_classes: int, *,
                 k: int, threshold: float):
  """Each prototype marks the k cells of an image most similar to it.

  Only similarities above `threshold` count. A cell marked by several classes
  takes the one with the highest similarity (the lowest class on a tie); a cell
  marked by none, or by nothing above 0, is 0.

  Args:
    prototypes: of `sparse`.
    features: [N, h, w, D].
    num_classes: C, with class 0 for unknown.
    k: cells per prototype and image; all where there are fewer.
    threshold: strict lower bound of a cosine.

  Returns [N, h, w] int32.
  """
  n, h, w, _ = features.shape
  cosine = _cosine(prototypes, features).reshape(n, h * w, -1)
  values, positions = lax.top_k(
      cosine.swapaxes(1, 2), min(k, h * w))  # [N, V, k]
  known = (prototypes.classes > 0)[None, :, None]
  values = jnp.where((values > threshold) & known, values, 0.0)
  best = jnp.zeros((n, num_classes, h * w)).at[
      jnp.arange(n)[:, None, None], prototypes.classes[None, :, None], positions
  ].max(values)
  return jnp.argmax(best, 1).astype(jnp.int32).reshape(n, h, w)


def cells(label, size: int):
  """[N, H, W] labels -> [N, size, size], the pixel at each cell's corner."""
  step, rest = divmod(label.shape[1], size)
  if rest or not step or label.shape[1] != label.shape[2]:
    raise ValueError(
        f"labels {label.shape} do not reduce evenly to {size} x {size} cells")
  return label[:, ::step, ::step]


def enlarge(label, size: int):
  """[N, h, w] labels -> [N, size, size] by repetition."""
  step, rest = divmod(size, label.shape[1])
  if rest or label.shape[1] != label.shape[2]:
    raise ValueError(f"labels {label.shape} do not enlarge evenly to {size}")
  xp = image_ops.namespace(label)
  return xp.repeat(xp.repeat(label, step, 1), step, 2)


def _cosine(prototypes, features):
  """[N, h, w, V]."""
  return _einsum(
      "nhwd,vd->nhwv", _unit(features.astype(jnp.float32)), prototypes.vectors)


def _unit(x):
  return x / (jnp.linalg.norm(x, axis=-1, keepdims=True) + _EPS)


def _einsum(subscripts, a, b):
  # Labels are decided by small differences: no reduced precision here.
  return jnp.einsum(subscripts, a, b, precision=lax.Precision.HIGHEST)

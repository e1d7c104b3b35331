"""Mean IoU and pixel accuracy on the validation split."""

import functools

import jax
import numpy as np

from semseg_jax.data import pipeline
from semseg_jax.data import sources
from semseg_jax.methods.common import data
from semseg_jax.ops import image_ops
from semseg_jax.ops import scores

BATCH = 16


def first_batch(config, n: int):
  """The first `n` validation images at the training size (uint8)."""
  source = data.evaluation_source(config, config.data.validation)
  return next(iter(pipeline.eval_batches(
      source, size=data.evaluation_shape(config), batch_size=n,
      fill=data.padding(config))))


def validator(config, segment):
  """validate(state, frozen) from segment(state, frozen, images) -> logits.

  Scores are taken at each image's own size from summed confusion counts. None
  without a validation split.
  """
  if not config.data.validation:
    return None

  def validate(state, frozen):
    counts = confusions(
        config, lambda source, images, indices: {
            "": {"logits": segment(state, frozen, images)}},
        limit=config.data.num_validation_images, batch_size=BATCH)[""]
    return {"val/miou": float(scores.mean_iou(counts)),
            "val/pixel_accuracy": float(scores.pixel_accuracy(counts))}

  return validate


def confusions(config, predict, *, limit: int, batch_size: int
               ) -> dict[str, np.ndarray]:
  """Summed confusion counts [K, K] of each row on the validation split.

  Args:
    predict: (source, images, indices) -> {row: {"logits"}}.
    limit: only the first so many images; 0: all.
    batch_size: images of a call.

  Raises FloatingPointError: logits are not finite.
  """
  source = data.evaluation_source(config, config.data.validation)
  if limit and limit < len(source):
    source = sources.Subset(source, range(limit))
  counts = {}
  for label, rows in predictions(config, source, predict, batch_size):
    for row, logits in rows.items():
      counts[row] = counts.get(row, 0) + scores.confusion_matrix(
          label, image_ops.to_label(logits()), config.data.num_classes,
          data.ignore_index(config))
  return counts


def predictions(config, source, predict, batch_size: int):
  """Yields (label, {row: function that gives its logits}) of each image.

  Label and logits, [H, W] and [H, W, K], have the image's own size.

  Args:
    source: labeled images.
    predict, batch_size: see `confusions`.
  """
  padded = data.padding(config)
  for batch in pipeline.eval_batches(
      source, size=data.evaluation_shape(config), batch_size=batch_size,
      fill=padded):
    rows = jax.device_get({k: x["logits"] for k, x in predict(
        source, batch["image"], batch["index"]).items()})
    for i, index in enumerate(batch["index"][batch["mask"]]):
      label = source[int(index)]["label"]
      # Not of all rows at once: a table's are many.
      yield label, {k: functools.partial(
          image_ops.fit_logits, x[i], label.shape, padded=padded is not None,
          row=k) for k, x in rows.items()}

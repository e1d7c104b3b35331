"""Validation of a stage: mIoU and pixel accuracy on the validation split."""

import jax
import numpy as np

from semseg_jax.data import pipeline
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

  Scores are taken at each image's own size from summed confusion counts.
  """

  def validate(state, frozen):
    source = data.evaluation_source(config, config.data.validation)
    padded = data.padding(config)
    limit = config.data.num_validation_images or len(source)
    classes = config.data.num_classes
    counts = np.zeros((classes, classes), np.int64)
    for batch in pipeline.eval_batches(
        source, size=data.evaluation_shape(config), batch_size=BATCH,
        fill=padded):
      logits = jax.device_get(segment(state, frozen, batch["image"]))
      for row, index, real in zip(
          logits, batch["index"], batch["mask"], strict=True):
        if not real or index >= limit:
          continue
        label = source[int(index)]["label"]
        predicted = image_ops.to_label(image_ops.fit_logits(
            row, label.shape, padded=padded is not None))
        counts += scores.confusion_matrix(
            label, predicted, classes, data.ignore_index(config))
      if batch["index"].max() >= limit:
        break
    return {"val/miou": float(scores.mean_iou(counts)),
            "val/pixel_accuracy": float(scores.pixel_accuracy(counts))}

  return validate

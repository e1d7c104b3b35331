"""Labels images of any sizes by one row of a run's results."""

import jax
import numpy as np

from semseg_jax import predictors
from semseg_jax.data import arrays
from semseg_jax.data import geometry
from semseg_jax.data import pipeline
from semseg_jax.data import transforms
from semseg_jax.methods.common import data
from semseg_jax.ops import image_ops


def make(config, workdir, name: str, row: str, *, steps: int | None,
         batch_size: int):
  """label(images, numbers) -> (labels, confidence, reconstructions).

  Images are uint8 [H, W, C] of any sizes, results as `api.Segmentation` has
  them; `numbers`, int [N], are what the noise of inversion's start hangs on.
  Where the run pads images instead of resizing them, one that is larger is
  scaled down, as another shape would have to be compiled.

  Args:
    config: of the run.
    workdir: its folder.
    name: the stage.
    row: of it.
    steps: of inversion; None: the config's.
    batch_size: images per call of the networks.
  """
  predict = predictors.of_row(
      config_of_row(config, row, steps, batch_size), workdir, name, row)
  fill, size = data.padding(config), data.evaluation_shape(config)

  def label(images, numbers):
    source = arrays.Images(images if fill is None else [
        geometry.shrunk(x, size) for x in images])
    labels, confidence, reconstructions = [], [], []
    for batch in pipeline.eval_batches(
        source, size=size, batch_size=batch_size, fill=fill):
      outputs = jax.device_get(predict(
          source, batch["image"], batch["index"], numbers[batch["index"]]))
      for i, index in enumerate(batch["index"][batch["mask"]]):
        shape, logits = images[index].shape[:2], outputs["logits"][i]
        if fill is not None:  # what is padding says nothing
          logits = image_ops.fit_logits(
              logits, source[index]["image"].shape[:2], padded=True, row=row)
        labels.append(image_ops.labels_at(logits, shape, row=row))
        confidence.append(
            float(outputs["confidence"][i]) if "confidence" in outputs
            else _mean_largest_probability(logits))
        if "reconstruction" in outputs:
          reconstructions.append(transforms.resize_image(
              np.asarray(outputs["reconstruction"][i]), shape))
    return labels, np.asarray(confidence), reconstructions or None

  return label


def config_of_row(config, row: str, steps: int | None, batch_size: int):
  """The config, for calls of `batch_size` images by one row."""
  config = config.copy_and_resolve_references().unlock()
  config.evaluation.batch_size = batch_size
  if "inversion" in config:
    config.inversion.batch_size = batch_size
    if row in ("encoder", "start"):
      steps = 0
    if steps is not None:
      config.inversion.steps = steps
    # The learning rate follows the share of all steps, so that fewer are not
    # the beginning of more.
    config.inversion.snapshots = (
        int(row.split("@")[1]),) if "@" in row else ()
  return config


def _mean_largest_probability(logits) -> float:
  logits = np.asarray(logits, np.float64)
  if logits.shape[-1] == 1:
    p = 1 / (1 + np.exp(-np.abs(logits[..., 0])))
  else:
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p = 1 / p.sum(-1)
  return float(p.mean())

"""How well a joint generator's labels fit its own images, as a number.

A segmenter trained on all real labels (stage `fully_supervised`) labels the
generator's samples; its mIoU against the generator's own labels is set beside
its mIoU on real test images. The nearer the two, the better the joint model.
"""

import numpy as np

from semseg_jax import monitoring
from semseg_jax.methods import fully_supervised
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import networks
from semseg_jax.ops import image_ops
from semseg_jax.ops import scores


def summary(config, workdir) -> dict:
  """{"joint_model": `score`}, and prints it; {} where a run has not both."""
  if not networks.branch_channels(config) or not (
      {"fully_supervised", "gan"} <= set(config.stages)):
    return {}
  result = score(config, workdir, config.evaluation.joint_samples)
  print("\njoint model: the fully supervised segmenter scores "
        f"{result['miou']:.4f} mIoU against the generator's labels of "
        f"{result['samples']} samples", flush=True)
  return {"joint_model": result}


def score(config, workdir, n: int) -> dict:
  """Scores the run's generator on `n` samples.

  Returns {"samples", "miou", "pixel_accuracy", "per_class_iou" (list; None
  where a class is absent)} of the fully supervised segmenter against the
  generator's labels.
  """
  predict = fully_supervised.predictor(config, workdir)
  variables = generators.load_ema(config, workdir, "the joint model's score")
  counts = np.zeros((config.data.num_classes,) * 2, np.int64)
  for images, labels in monitoring.sample_batches(
      config, variables, n, seed=config.seed):
    padded = np.zeros((monitoring.BATCH, *images.shape[1:]), np.uint8)
    padded[:len(images)] = images
    logits = predict(padded, None)["fully_supervised"]["logits"][:len(images)]
    counts += scores.confusion_matrix(
        labels, image_ops.to_label(logits), config.data.num_classes).sum(0)
  return {
      "samples": n,
      "miou": float(scores.mean_iou(counts)),
      "pixel_accuracy": float(scores.pixel_accuracy(counts)),
      "per_class_iou": [
          None if np.isnan(x) else float(x) for x in scores.iou(counts)]}

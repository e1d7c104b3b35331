"""How well a generator's labels fit its own images, as a number.

A segmenter trained on all real labels (stage `fully_supervised`) labels the
generator's samples; its mIoU against the generator's own labels, those of its
branch or of a fitted head, is set beside its mIoU on real test images. The
nearer the two, the better the joint model.
"""

import numpy as np

from semseg_jax.methods import fully_supervised
from semseg_jax.methods.common import networks
from semseg_jax.methods.semantic_gan import distilled
from semseg_jax.ops import image_ops
from semseg_jax.ops import scores


def of_branch(config, workdir) -> dict:
  """`summary` where the generator has a label branch, else {}."""
  return summary(config, workdir) if networks.branch_channels(config) else {}


def summary(config, workdir) -> dict:
  """{"joint_model": `score`}, and prints it; {} without `fully_supervised`."""
  if "fully_supervised" not in config.stages:
    return {}
  result = score(config, workdir, config.evaluation.joint_samples)
  print("\njoint model: the fully supervised segmenter scores "
        f"{result['miou']:.4f} mIoU against the generator's labels of "
        f"{result['samples']} samples", flush=True)
  return {"joint_model": result}


def score(config, workdir, n: int) -> dict:
  """Scores the labels of `n` samples of the run's generator.

  Returns {"samples", "miou", "pixel_accuracy", "per_class_iou" (list; None
  where a class is absent)} of the fully supervised segmenter against the
  generator's labels.
  """
  predict = fully_supervised.predictor(config, workdir)
  sample = distilled.sampler(
      config, workdir, needed_by="the joint model's score")
  counts = np.zeros((config.data.num_classes,) * 2, np.int64)
  for first in range(0, n, distilled.BATCH):
    images, labels, *_ = sample(first // distilled.BATCH)
    logits = predict(images, None)["fully_supervised"]["logits"]
    counts += scores.confusion_matrix(
        labels, image_ops.to_label(logits),
        config.data.num_classes)[:n - first].sum(0)
  return {
      "samples": n,
      "miou": float(scores.mean_iou(counts)),
      "pixel_accuracy": float(scores.pixel_accuracy(counts)),
      "per_class_iou": [
          None if np.isnan(x) else float(x) for x in scores.iou(counts)]}

"""Fusion: segmentations lose the classes that MLMT does not see in an image.

Mittal et al. 2021, section 3.3: class c is deactivated where the teacher's
score is at most tau. `match_official` multiplies logits by 0 instead, where a
class that is switched off still wins if all others are negative.
"""

import numpy as np

from semseg_jax.methods.common import segmenter
from semseg_jax.methods.common import validation
from semseg_jax.methods.semisup import classifiers
from semseg_jax.ops import class_scores
from semseg_jax.ops import scores

# Methods whose segmentations are fused.
SEGMENTERS = ("supervised", "s4gan")


def fused(config, logits, image_scores, tau: float):
  """Logits [N, H, W, C] under the scores [N, C] of their images."""
  remaining = class_scores.present(
      image_scores, tau, official=config.match_official)
  return class_scores.fuse(
      of_classes(logits), remaining, multiply=config.match_official)


def of_classes(logits: np.ndarray) -> np.ndarray:
  """A channel for each class: a U-Net's one of two classes is that of class 1
  beside 0."""
  return logits if logits.shape[-1] > 1 else np.concatenate(
      [np.zeros_like(logits), logits], -1)


def check_tau(tau: float) -> None:
  """Raises ValueError unless 0 <= tau < 1."""
  if not 0 <= tau < 1:
    raise ValueError(f"config.fusion.tau is {tau}: scores lie in (0, 1), so it "
                     "has to be at least 0 and below 1")


def combiner(config, workdir):
  """combine(source, indices, methods) -> {"<method>+mlmt": {"logits"}}."""
  tau = config.fusion.tau
  check_tau(tau)
  score = classifiers.restored(config, workdir, "mlmt")

  def combine(source, indices, methods):
    image_scores = score([source[int(i)]["image"] for i in indices])
    return {f"{name}+mlmt": {"logits": fused(
        config, np.asarray(methods[name]["logits"]), image_scores, tau)}
            for name in SEGMENTERS if name in methods}

  return combine


def search(config, workdir, taus) -> list[dict]:
  """Mean IoU of each fused segmenter on the validation split, by tau.

  Args:
    workdir: its folder, with the trained stages `mlmt` and segmenters.
    taus: thresholds to try.

  Returns rows {"tau", "<method>+mlmt": mean IoU}; the first, of tau None,
  without fusion.
  """
  for tau in taus:
    check_tau(tau)
  names = [n for n in SEGMENTERS if n in config.stages]
  if "mlmt" not in config.stages or not names:
    raise ValueError(
        "tau is chosen for a run with the stages 'mlmt' and 'supervised' or "
        f"'s4gan'; config.stages is {tuple(config.stages)}")
  score = classifiers.restored(config, workdir, "mlmt")
  networks = {n: segmenter.restored(config, workdir, n) for n in names}

  def predict(source, images, indices):
    image_scores = score([source[int(i)]["image"] for i in indices])
    logits = {n: np.asarray(network(images)) for n, network in networks.items()}
    # Numbers, as JAX sorts names: no tau, None, is not comparable.
    return {(i, n): {"logits": x if tau is None else fused(
        config, x, image_scores, tau)}
            for i, tau in enumerate((None, *taus)) for n, x in logits.items()}

  counts = validation.confusions(
      config, predict, limit=0, batch_size=config.evaluation.batch_size)
  return [{"tau": tau} | {
      f"{n}+mlmt": float(scores.mean_iou(counts[i, n])) for n in names}
          for i, tau in enumerate((None, *taus))]

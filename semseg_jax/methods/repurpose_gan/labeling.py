"""Labels new images with a trained run: auto-shot if there, else inversion.
"""

from semseg_jax.methods.repurpose_gan import autoshot
from semseg_jax.methods.repurpose_gan import segmenter
from semseg_jax.methods.repurpose_gan import shots

spec = shots.spec  # of the labels: painted classes may be the user's own


def method_name(config, step: int) -> str:
  """The row that `predictor` gives."""
  del step
  return "auto_shot" if "autoshot" in config.stages else "inversion"


def predictor(config, workdir):
  """predict(images, indices) -> {method: {"logits", ...}} of a run."""
  module = autoshot if "autoshot" in config.stages else segmenter
  return module.predictor(config, workdir)

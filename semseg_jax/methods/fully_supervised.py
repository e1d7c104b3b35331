"""Stage `fully_supervised`: the baseline's network on every real label.

A judge of the joint model: scored on real test images and on the generator's
own labels of its samples (`joint_model.score`).
"""

from semseg_jax.methods import supervised
from semseg_jax.methods.common import segmenter

FIELDS = supervised.FIELDS


def effective(config):
  """The config, unlocked copy, with every labeled image and no others."""
  config = config.copy_and_resolve_references().unlock()
  config.data.num_labeled = -1
  config.supervised.synthetic = ""
  return config


def make(config, workdir):
  """The supervised stage on all labels."""
  return supervised.make(effective(config), workdir)


def predictor(config, workdir):
  """predict(images, indices) -> {"fully_supervised": {"logits"}}."""
  return segmenter.predictor(effective(config), workdir, "fully_supervised")

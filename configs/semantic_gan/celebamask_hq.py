"""SemanticGAN on CelebAMask-HQ faces at 256 px, 8 classes, as published.

  semseg-jax train --config=configs/semantic_gan/celebamask_hq.py:labels=30 \
      --config.data.data_dir=DATA/CelebAMask-HQ \
      --config.perceptual.weights=lpips_vgg.safetensors --workdir=runs/faces30
  semseg-jax eval  (the same flags)

Arguments: labels (30, 150 and 1500 in the paper), unlabeled, seed,
match_official, smoke. The data set has no out-of-domain split; faces.py adds
the paper's.
"""

from configs import common
from configs.semantic_gan import base
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(
      arg, labels=30, unlabeled=-1, seed=0, match_official=False,
      smoke=False)
  c = base.get_config()
  c.match_official, c.seed = a["match_official"], a["seed"]
  c.data.update(
      name="celebamask_hq", size=256, num_classes=8, num_labeled=a["labels"],
      num_unlabeled=a["unlabeled"])
  if not a["labels"]:
    c.stages = ("gan",)  # plain StyleGAN2
  if a["smoke"]:
    c.data.size = 32
    small.smoke(c)
  return c

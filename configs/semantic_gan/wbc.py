"""SemanticGAN on single white blood cells (real photographs, 3 classes).

  semseg-jax train --config=configs/semantic_gan/wbc.py:labels=10,cpu \
      --config.data.data_dir=DATA/wbc --workdir=runs/wbc10
  semseg-jax eval  (the same flags)

Arguments: labels, unlabeled, seed, cpu (64 px, narrow), match_official, smoke.
Without `cpu`: 128 px for one GPU. Out of domain: `ood_val`, another stain.
There is no unlabeled split: all 200 images of the labeled pool serve without
labels.
"""

from configs import common
from configs.semantic_gan import base
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, labels=10, unlabeled=-1, seed=0, cpu=False,
                       match_official=False, smoke=False)
  c = base.get_config()
  c.match_official, c.seed = a["match_official"], a["seed"]
  c.data.update(
      name="wbc", size=128, num_classes=3, num_labeled=a["labels"],
      num_unlabeled=a["unlabeled"],
      out_of_domain=("ood_val",))
  # 200 images are very few for a GAN.
  c.gan.augment.update(policy=("translation",),
                       pair_policy=("color", "translation"), strength=0.6)
  if a["cpu"]:
    small.two_cores(c)
  else:
    small.one_gpu(c)
  c.monitor.samples = 200  # as many as there are real images
  if not a["labels"]:
    c.stages = ("gan",)  # plain StyleGAN2
  if a["smoke"]:
    c.data.size = 32
    small.smoke(c)
  return c

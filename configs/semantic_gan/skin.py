"""SemanticGAN on dermoscopy: skin lesions, at 256 px, as published.

  semseg-jax train --config=configs/semantic_gan/skin.py:labels=40 \
      --config.data.data_dir=DATA \
      --config.perceptual.weights=lpips_vgg.safetensors --workdir=runs/skin40
  semseg-jax eval  (the same flags)

Arguments: labels (40, 200 and 2000 in the paper), unlabeled, seed,
match_official, smoke.
DATA holds the downloads of `isic2018`, `isic2020` (the unlabeled images),
`ph2` and `dermis_dermquest` (docs/data.md). Where an out-of-domain set is not
there, leave it out of --config.data.out_of_domain. Score: Jaccard.
"""

from configs import common
from configs.semantic_gan import base
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(
      arg, labels=40, unlabeled=-1, seed=0, match_official=False,
      smoke=False)
  c = base.get_config()
  c.match_official, c.seed = a["match_official"], a["seed"]
  c.data.update(
      name="skin_lesions", size=256, num_classes=2, num_labeled=a["labels"],
      num_unlabeled=a["unlabeled"],
      out_of_domain=("ood_ph2", "ood_dermis", "ood_dermquest"))
  if not a["labels"]:
    c.stages = ("gan",)  # plain StyleGAN2
  if a["smoke"]:
    c.data.size = 32
    small.smoke(c)
  return c

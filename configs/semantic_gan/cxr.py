"""SemanticGAN on chest X-rays: lungs, at 256 px, as published.

  semseg-jax train --config=configs/semantic_gan/cxr.py:labels=9 \
      --config.data.data_dir=DATA \
      --config.perceptual.weights=lpips_vgg.safetensors --workdir=runs/cxr9
  semseg-jax eval  (the same flags)

Arguments: labels (9, 35 and 175 in the paper), unlabeled, seed,
match_official, smoke.
DATA holds the downloads of `jsrt`, `nih_chest_xray` (the unlabeled images),
`montgomery` and `shenzhen` (docs/data.md). Where an out-of-domain set is not
there, leave it out of --config.data.out_of_domain. Score: Dice.
"""

from configs import common
from configs.semantic_gan import base
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(
      arg, labels=9, unlabeled=-1, seed=0, match_official=False,
      smoke=False)
  c = base.get_config()
  c.match_official, c.seed = a["match_official"], a["seed"]
  c.data.update(
      name="chest_xray", size=256, channels=1, num_classes=2,
      num_labeled=a["labels"], num_unlabeled=a["unlabeled"],
      out_of_domain=("ood_nlm", "ood_nih", "ood_sz"))
  if not a["labels"]:
    c.stages = ("gan",)  # plain StyleGAN2
  if a["smoke"]:
    c.data.size = 32
    small.smoke(c)
  return c

"""SemanticGAN on abdominal CT: the liver, at 256 px, as published.

  semseg-jax train --config=configs/semantic_gan/liver.py:labels=8 \
      --config.data.data_dir=DATA \
      --config.perceptual.weights=lpips_vgg.safetensors --workdir=runs/liver8
  semseg-jax eval  (the same flags)

Arguments: labels (in volumes: 8, 20 and 118 in the paper), unlabeled, seed,
match_official, smoke.
DATA holds the downloads of `lits` and `chaos` (docs/data.md). Where the latter
is not there, leave it out of --config.data.out_of_domain. Trained on slices;
score: Dice of a patient's volume.
"""

from configs import common
from configs.semantic_gan import base
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(
      arg, labels=8, unlabeled=-1, seed=0, match_official=False,
      smoke=False)
  c = base.get_config()
  c.match_official, c.seed = a["match_official"], a["seed"]
  c.data.update(
      name="liver", size=256, channels=1, num_classes=2,
      num_labeled=a["labels"], num_unlabeled=a["unlabeled"],
      out_of_domain=("ood_t1_in", "ood_t1_out"))
  if not a["labels"]:
    c.stages = ("gan",)  # plain StyleGAN2
  if a["smoke"]:
    c.data.size = 32
    small.smoke(c)
  return c

"""SemanticGAN on chest X-rays (lungs and heart, 4 classes, gray).

  semseg-jax train --config=configs/semantic_gan/chest_xray.py:labels=10,cpu \
      --config.data.data_dir=DATA/chest_xray --workdir=runs/chest10
  semseg-jax eval  (the same flags)

Arguments: labels, unlabeled, seed, cpu (64 px, narrow), run, match_official,
smoke. Without `cpu`: 128 px for one GPU. The generator is trained on images
alone and its labels are fitted, so one run with labels=0 serves every number of
labels: give its folder as `run`. Left and right lung are classes: nothing is
mirrored.
"""

from configs import common
from configs.semantic_gan import base
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, labels=10, unlabeled=-1, seed=0, cpu=False, run="",
                       match_official=False, smoke=False)
  c = base.get_config()
  c.match_official, c.seed = a["match_official"], a["seed"]
  c.data.update(
      name="wingspan", size=128, channels=1, num_classes=4,
      num_labeled=a["labels"], num_unlabeled=a["unlabeled"],
      out_of_domain=("ood_window",))
  c.data.augment.update(flip_unlabeled=0.0, flip_labeled=0.0)
  # Films of other archives have other intensity windows.
  c.supervised.color.update(brightness=0.6, contrast=0.6)
  base.fit_labels(c, a["run"])
  c.gan.augment.update(policy=("color", "translation", "cutout"),
                       strength=0.6)
  if a["cpu"]:
    small.two_cores(c)
    # Levels that see a whole lung, and narrow, as the images are small.
    c.supervised.update(width=16, levels=4)
    c.distilled.update(num_samples=2000)
  else:
    small.one_gpu(c)
  if not a["labels"]:
    c.stages = ("gan", "encoder")  # images alone, for other runs
  if a["smoke"]:
    c.data.size = 32
    small.smoke(c)
  return c

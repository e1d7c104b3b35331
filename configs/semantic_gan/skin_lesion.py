"""SemanticGAN on skin lesions (dermoscopy, 2 classes).

  semseg-jax train --config=configs/semantic_gan/skin_lesion.py:labels=40,cpu \
      --config.data.data_dir=DATA/skin_lesion --workdir=runs/lesion40
  semseg-jax eval  (the same flags)

Arguments: labels, unlabeled, seed, cpu (64 px, narrow), run, match_official,
smoke. Without `cpu`: 128 px for one GPU. Out of domain: photographs of DermIS
and DermQuest. The generator is trained on images alone and its labels are
fitted; see chest_xray.py for one generator that serves every number of labels.
"""

from configs import common
from configs.semantic_gan import base
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, labels=40, unlabeled=-1, seed=0, cpu=False, run="",
                       match_official=False, smoke=False)
  c = base.get_config()
  c.match_official, c.seed = a["match_official"], a["seed"]
  c.data.update(
      name="folder", size=128, num_classes=2, num_labeled=a["labels"],
      num_unlabeled=a["unlabeled"],
      out_of_domain=("ood_dermis", "ood_dermquest"))
  # A lesion has no upright side, and cameras differ in color.
  c.data.augment.update(rotate=45.0)
  c.supervised.color.update(brightness=0.4, contrast=0.4, saturation=0.4)
  base.fit_labels(c, a["run"])
  c.gan.augment.update(policy=("color", "translation", "cutout"),
                       strength=0.6)
  if a["cpu"]:
    small.two_cores(c)
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

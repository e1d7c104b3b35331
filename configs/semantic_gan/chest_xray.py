r"""SemanticGAN on chest X-rays (lungs and heart, 4 classes, gray).

  semseg-jax train --config=configs/semantic_gan/chest_xray.py:labels=10,cpu \
      --config.data.data_dir=DATA/chest_xray --workdir=runs/chest10
  semseg-jax eval  (the same flags)

Arguments: labels, unlabeled, seed, cpu (64 px, narrow), run, backbone (as
efficientnet_lite0: DeepLabv3+ on ImageNet features instead of the U-Net),
match_official, smoke. Without `cpu`: 128 px for one GPU. The generator is
trained on images alone and its labels are fitted, so one run with labels=0
serves every number of labels: give its folder as `run`. Left and right lung are
classes: nothing is mirrored.
"""

from configs.semantic_gan import experiments


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  c, a = experiments.start(arg, "chest_xray", labels=10, cpu=False, run="",
                           backbone="")
  # Films of other archives have other intensity windows.
  c.supervised.color.update(brightness=0.6, contrast=0.6)
  # A fifth of the films that the generator sees instead of a sixteenth.
  c.data.pool_repeats = 4
  experiments.fitted(c, a)
  # With changes of brightness, too, some samples become nearly black.
  c.gan.augment.policy = ("translation", "cutout")
  if a["cpu"] and not a["smoke"]:
    c.gan.steps = 11_000  # until recall no longer rose
  return c

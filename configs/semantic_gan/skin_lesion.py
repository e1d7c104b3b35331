r"""SemanticGAN on skin lesions (dermoscopy, 2 classes).

  semseg-jax train --config=configs/semantic_gan/skin_lesion.py:labels=40,cpu \
      --config.data.data_dir=DATA/skin_lesion --workdir=runs/lesion40
  semseg-jax eval  (the same flags)

Arguments: labels, unlabeled, seed, cpu (64 px, narrow), run, backbone (as
efficientnet_lite0: DeepLabv3+ on ImageNet features instead of the U-Net),
match_official, smoke. Without `cpu`: 128 px for one GPU. Out of domain:
photographs of DermIS and DermQuest. The generator is trained on images alone
and its labels are fitted; see chest_xray.py for one generator that serves every
number of labels.
"""

from configs.semantic_gan import experiments


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  c, a = experiments.start(arg, "skin_lesion", labels=40, cpu=False, run="",
                           backbone="")
  # Cameras differ in color.
  c.supervised.color.update(brightness=0.4, contrast=0.4, saturation=0.4)
  c.distilled.styles = 12.0
  return experiments.fitted(c, a)

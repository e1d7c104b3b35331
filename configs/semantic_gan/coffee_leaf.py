r"""SemanticGAN on coffee leaves (real photographs, 3 classes).

  semseg-jax train --config=configs/semantic_gan/coffee_leaf.py:labels=10,cpu \
      --config.data.data_dir=DATA/coffee_leaf --workdir=runs/leaf10
  semseg-jax eval  (the same flags)

Arguments: labels, unlabeled, seed, cpu (64 px, narrow), run, backbone (as
efficientnet_lite0: DeepLabv3+ on ImageNet features instead of the U-Net),
match_official, smoke. Without `cpu`: 128 px for one GPU. The generator is
trained on images alone and its labels are fitted; see chest_xray.py for one
generator that serves every number of labels.
"""

from configs.semantic_gan import experiments


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  c, a = experiments.start(arg, "coffee_leaf", labels=10, cpu=False, run="",
                           backbone="")
  experiments.fitted(c, a)
  if a["cpu"] and not a["smoke"]:
    c.gan.steps = 6000
  return c

r"""SemanticGAN on coffee leaves (real photographs, 3 classes).

  semseg-jax train --config=configs/semantic_gan/coffee_leaf.py:labels=10,cpu \
      --config.data.data_dir=DATA/coffee_leaf --workdir=runs/leaf10
  semseg-jax eval  (the same flags)

Arguments: labels, unlabeled, seed, cpu (64 px, narrow, two cores in about 90
minutes), match_official, smoke. Without `cpu`: 128 px for one GPU.
"""

from configs.semantic_gan import experiments


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  c, a = experiments.start(arg, "coffee_leaf", labels=10, cpu=False)
  return experiments.finish(experiments.few_images(c, a), a)

r"""SemanticGAN on single white blood cells (real photographs, 3 classes).

  semseg-jax train --config=configs/semantic_gan/wbc.py:labels=10,cpu \
      --config.data.data_dir=DATA/wbc --workdir=runs/wbc10
  semseg-jax eval  (the same flags)

Arguments: labels, unlabeled, seed, cpu (64 px, narrow), match_official, smoke.
Without `cpu`: 128 px for one GPU. Out of domain: `ood_val`, another stain.
There is no unlabeled split: all 200 images of the labeled pool serve without
labels.
"""

from configs.semantic_gan import experiments


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  c, a = experiments.start(arg, "wbc", labels=10, cpu=False)
  experiments.few_images(c, a)
  c.monitor.samples = 200  # as many as there are real images
  return experiments.finish(c, a)

"""SemanticGAN on CelebAMask-HQ and, out of domain, MetFaces, as published.

  semseg-jax train --config=configs/semantic_gan/faces.py:labels=30 \
      --config.data.data_dir=DATA \
      --config.perceptual.weights=lpips_vgg.safetensors --workdir=runs/faces30
  semseg-jax eval  (the same flags)

DATA holds the downloads of `celebamask_hq` and `metfaces` with the 40 masks
(docs/data.md). All else and the arguments are celebamask_hq.py's. Score: mIoU.
"""

from configs.semantic_gan import celebamask_hq


def get_config(arg=""):
  """Config of the experiment; see celebamask_hq.py for `arg`."""
  c = celebamask_hq.get_config(arg)
  c.data.update(name="faces", out_of_domain=("ood_metfaces",))
  return c

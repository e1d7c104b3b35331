r"""SemanticGAN on CelebAMask-HQ and, out of domain, MetFaces, as published.

  semseg-jax train --config=configs/semantic_gan/faces.py:labels=30 \
      --config.data.data_dir=DATA \
      --config.perceptual.weights=lpips_vgg.safetensors --workdir=runs/faces30
  semseg-jax eval  (the same flags)

DATA holds the downloads of `celebamask_hq` and `metfaces` with the 40 masks
(docs/data.md). All else and the arguments are celebamask_hq.py's. Score: mIoU.
"""

from configs.semantic_gan import experiments

get_config = experiments.published("faces", labels=30)

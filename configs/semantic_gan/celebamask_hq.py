r"""SemanticGAN on CelebAMask-HQ faces at 256 px, 8 classes, as published.

  semseg-jax train --config=configs/semantic_gan/celebamask_hq.py:labels=30 \
      --config.data.data_dir=DATA/CelebAMask-HQ \
      --config.perceptual.weights=lpips_vgg.safetensors --workdir=runs/faces30
  semseg-jax eval  (the same flags)

Arguments: labels (30, 150 and 1500 in the paper), unlabeled, seed,
match_official, smoke. The data set has no out-of-domain split; faces.py adds
the paper's.
"""

from configs.semantic_gan import experiments

get_config = experiments.published("celebamask_hq", labels=30)

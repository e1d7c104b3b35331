r"""SemanticGAN on dermoscopy: skin lesions, at 256 px, as published.

  semseg-jax train --config=configs/semantic_gan/skin.py:labels=40 \
      --config.data.data_dir=DATA \
      --config.perceptual.weights=lpips_vgg.safetensors --workdir=runs/skin40
  semseg-jax eval  (the same flags)

Arguments: labels (40, 200 and 2000 in the paper), unlabeled, seed,
match_official, smoke.
DATA holds the downloads of `isic2018`, `isic2020` (the unlabeled images),
`ph2` and `dermis_dermquest` (docs/data.md). Where an out-of-domain set is not
there, leave it out of --config.data.out_of_domain. Score: Jaccard.
"""

from configs.semantic_gan import experiments

get_config = experiments.published("skin", labels=40)

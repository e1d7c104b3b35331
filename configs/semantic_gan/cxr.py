r"""SemanticGAN on chest X-rays: lungs, at 256 px, as published.

  semseg-jax train --config=configs/semantic_gan/cxr.py:labels=9 \
      --config.data.data_dir=DATA \
      --config.perceptual.weights=lpips_vgg.safetensors --workdir=runs/cxr9
  semseg-jax eval  (the same flags)

Arguments: labels (9, 35 and 175 in the paper), unlabeled, seed,
match_official, smoke.
DATA holds the downloads of `jsrt`, `nih_chest_xray` (the unlabeled images),
`montgomery` and `shenzhen` (docs/data.md). Where an out-of-domain set is not
there, leave it out of --config.data.out_of_domain. Score: Dice.
"""

from configs.semantic_gan import experiments

get_config = experiments.published("cxr", labels=9)

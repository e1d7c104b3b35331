r"""SemanticGAN on abdominal CT: the liver, at 256 px, as published.

  semseg-jax train --config=configs/semantic_gan/liver.py:labels=8 \
      --config.data.data_dir=DATA \
      --config.perceptual.weights=lpips_vgg.safetensors --workdir=runs/liver8
  semseg-jax eval  (the same flags)

Arguments: labels (in volumes: 8, 20 and 118 in the paper), unlabeled, seed,
match_official, smoke.
DATA holds the downloads of `lits` and `chaos` (docs/data.md). Where the latter
is not there, leave it out of --config.data.out_of_domain. Trained on slices;
score: Dice of a patient's volume.
"""

from configs.semantic_gan import experiments

get_config = experiments.published("liver", labels=8)

r"""RepurposeGAN on horses at 256 px, as published.

Classes: head, body, leg, tail and rest.

  semseg-jax train --config=configs/repurpose_gan/horse.py:shots=1 \
      --config.generator.weights=horse.safetensors \
      --config.data.data_dir=my_horses \
      --config.perceptual.weights=lpips_vgg.safetensors \
      --config.shots.folder=my_shots --workdir=runs/repurpose_horse
  semseg-jax eval  (the same flags)

`my_horses` is a folder of real images with masks to score on (the layout of
docs/add_a_dataset.md); docs/repurpose_gan.md shows how generator and `my_shots`
are made. Arguments: shots, segmenter, seed, smoke.
"""

from configs.repurpose_gan import base

get_config = base.painted("horse")

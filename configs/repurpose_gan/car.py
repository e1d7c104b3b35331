r"""RepurposeGAN on cars at 512 px, as published.

Classes: wheel, window, body, light, plate and rest.

  semseg-jax train --config=configs/repurpose_gan/car.py:shots=1 \
      --config.generator.weights=car.safetensors \
      --config.data.data_dir=my_cars \
      --config.perceptual.weights=lpips_vgg.safetensors \
      --config.shots.folder=my_shots --workdir=runs/repurpose_car
  semseg-jax eval  (the same flags)

`my_cars` is a folder of real images with masks to score on (the layout of
docs/add_a_dataset.md); docs/repurpose_gan.md shows how generator and `my_shots`
are made. Arguments: shots, segmenter, seed, smoke.
"""

from configs.repurpose_gan import base

get_config = base.painted("car")

"""RepurposeGAN on cars at 512 px, as published.

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

from configs import common
from configs.repurpose_gan import base
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, shots=1, segmenter="cnn", seed=0, smoke=False)
  c = base.get_config(small.smoke if a["smoke"] else None)
  c.seed = a["seed"]
  # The generator is a pre-trained one, the labels are painted by hand.
  c.stages = ("segmenter", "autoshot")
  c.data.update(name="folder", size=512, num_classes=6)
  c.hypercolumn.size = 512
  c.shots.update(source="folder", count=a["shots"])
  c.few_shot.kind = a["segmenter"]
  if a["smoke"]:
    c.data.size = 32
    c.stages = ("gan", "fully_supervised", "segmenter", "autoshot")
    c.shots.source = "fully_supervised"
    base.smoke(c)
  return c

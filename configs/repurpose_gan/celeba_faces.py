r"""RepurposeGAN on faces at 1024 px, 4 or 10 classes, as published.

  semseg-jax convert --kind=stylegan2/generator \
      --input=CHECKPOINT.pt:g_ema --output=faces.safetensors
  A=classes=10,shots=1
  semseg-jax train --config=configs/repurpose_gan/celeba_faces.py:$A \
      --config.generator.weights=faces.safetensors \
      --config.data.data_dir=DATA/CelebAMask-HQ \
      --config.perceptual.weights=lpips_vgg.safetensors \
      --config.shots.folder=my_shots --workdir=runs/repurpose_faces
  semseg-jax eval  (the same flags)

docs/repurpose_gan.md shows how `my_shots` is made. Arguments: classes (4 or
10), shots, segmenter, seed, smoke.
"""

from configs import common
from configs.repurpose_gan import base


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, classes=10, shots=1, segmenter="cnn", seed=0,
                       smoke=False)
  if a["classes"] not in (4, 10):
    raise ValueError(f"classes={a['classes']}: the part sets are of 4 and 10")
  c = base.on_painted(f"celeba_parts{a['classes']}", a)
  if not a["smoke"]:
    c.inversion.batch_size = 4  # at 1024 px
  return c

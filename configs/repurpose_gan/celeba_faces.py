"""RepurposeGAN on faces at 1024 px, 4 or 10 classes, as published.

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
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, classes=10, shots=1, segmenter="cnn", seed=0,
                       smoke=False)
  if a["classes"] not in (4, 10):
    raise ValueError(f"classes={a['classes']}: the part sets are of 4 and 10")
  c = base.get_config(small.smoke if a["smoke"] else None)
  c.seed = a["seed"]
  # The generator is a pre-trained one, the labels are painted by hand.
  c.stages = ("segmenter", "autoshot")
  c.data.update(name=f"celeba_parts{a['classes']}", size=1024,
                num_classes=a["classes"])
  c.hypercolumn.size = 512
  c.shots.update(source="folder", count=a["shots"])
  c.few_shot.kind = a["segmenter"]
  c.inversion.batch_size = 4  # at 1024 px
  c.autoshot.batch_size = 32
  if a["smoke"]:
    c.data.size = 32
    # Nothing needs to be downloaded or painted for a smoke run.
    c.stages = ("gan", "fully_supervised", "segmenter", "autoshot")
    c.shots.source = "fully_supervised"
    base.smoke(c)
  return c

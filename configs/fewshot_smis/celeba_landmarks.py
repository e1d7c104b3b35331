"""Fewshot-SMIS on CelebA landmarks, as published: 1024 px, sparse, 5 shots.

  semseg-jax train --config=configs/fewshot_smis/celeba_landmarks.py \
      --config.data.data_dir=SHOTS --workdir=runs/celeba_landmarks \
      --config.generator.weights=generator.safetensors \
      --config.perceptual.weights=lpips_alex.safetensors

SHOTS is in the `folder` layout: `train_labeled` are the shots, `val` the test
pairs. Class 0 is unknown. Arguments: shots, labeling, seed, smoke.
"""

from configs import common
from configs.fewshot_smis import base


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, **base.arguments(shots=5, labeling="sparse"))
  return base.published(base.get_config(), a, size=1024, classes=71)

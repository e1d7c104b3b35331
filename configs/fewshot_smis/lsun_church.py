"""Fewshot-SMIS on LSUN churches, as published: 256 px, dense, 5 shots.

  semseg-jax train --config=configs/fewshot_smis/lsun_church.py \
      --config.data.data_dir=SHOTS --workdir=runs/lsun_church \
      --config.generator.weights=generator.safetensors \
      --config.perceptual.weights=lpips_alex.safetensors

SHOTS is in the `folder` layout: `train_labeled` are the shots, `val` the test
pairs. Arguments: shots, labeling, seed, smoke.
"""

from configs import common
from configs.fewshot_smis import base


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, **base.arguments(shots=5, labeling="dense"))
  return base.published(base.get_config(), a, size=256, classes=151)

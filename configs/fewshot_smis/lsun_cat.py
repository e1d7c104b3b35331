"""Fewshot-SMIS on LSUN cats, as published: 256 px, sparse, 1 shot.

  semseg-jax train --config=configs/fewshot_smis/lsun_cat.py \
      --config.data.data_dir=SHOTS --workdir=runs/lsun_cat \
      --config.generator.weights=generator.safetensors \
      --config.perceptual.weights=lpips_alex.safetensors

SHOTS is in the `folder` layout: `train_labeled` are the shots, `val` the test
pairs. Class 0 is unknown. Arguments: shots, labeling, seed, smoke.
"""

from configs import common
from configs.fewshot_smis import base


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, **base.arguments(shots=1, labeling="sparse"))
  return base.published(base.get_config(), a, size=256, classes=9)

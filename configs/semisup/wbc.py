r"""Baselines on white blood cells, 64 px: U-Net, DeepLabv3+, Mean Teacher.

  semseg-jax train --workdir=runs/wbc \
      --config=configs/semisup/wbc.py:labels=10,method=mean_teacher \
      --config.data.data_dir=DATA/wbc
  semseg-jax eval --workdir=runs/wbc

Arguments: method (supervised, or mean_teacher with it), labels, unlabeled,
seed, network (unet or deeplabv3plus), backbone (efficientnet_lite0: on ImageNet
features, DeepLabv3+ where no network is given), match_official, smoke.
"""

from configs.semantic_gan import wbc
from configs.semisup import few_labels

get_config = few_labels.make_small(wbc, labels=10)

r"""Baselines on chest X-rays, 64 px: U-Net, DeepLabv3+, Mean Teacher.

  semseg-jax train --workdir=runs/chest_xray \
      --config=configs/semisup/chest_xray.py:labels=10,method=mean_teacher \
      --config.data.data_dir=DATA/chest_xray
  semseg-jax eval --workdir=runs/chest_xray

Arguments: method (supervised, or mean_teacher with it), labels, unlabeled,
seed, network (unet or deeplabv3plus), backbone (efficientnet_lite0: on ImageNet
features, DeepLabv3+ where no network is given), match_official, smoke.
"""

from configs.semantic_gan import chest_xray
from configs.semisup import few_labels

get_config = few_labels.make_small(chest_xray, labels=10)

r"""Baselines on skin lesions, 64 px: U-Net, DeepLabv3+, Mean Teacher.

  semseg-jax train --workdir=runs/skin_lesion \
      --config=configs/semisup/skin_lesion.py:labels=40,method=mean_teacher \
      --config.data.data_dir=DATA/skin_lesion
  semseg-jax eval --workdir=runs/skin_lesion

Arguments: method (supervised, or mean_teacher with it), labels, unlabeled,
seed, network (unet or deeplabv3plus), backbone (efficientnet_lite0: on ImageNet
features, DeepLabv3+ where no network is given), match_official, smoke.
"""

from configs.semantic_gan import skin_lesion
from configs.semisup import few_labels

get_config = few_labels.make_small(skin_lesion, labels=40)

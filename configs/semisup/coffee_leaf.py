r"""Baselines on coffee leaves, 64 px: U-Net, DeepLabv3+, Mean Teacher.

  semseg-jax train --workdir=runs/coffee_leaf \
      --config=configs/semisup/coffee_leaf.py:labels=10,method=mean_teacher \
      --config.data.data_dir=DATA/coffee_leaf
  semseg-jax eval --workdir=runs/coffee_leaf

Arguments: method (supervised, or mean_teacher with it), labels, unlabeled,
seed, network (unet or deeplabv3plus), backbone (efficientnet_lite0: on ImageNet
features, DeepLabv3+ where no network is given), match_official, smoke.
"""

from configs.semantic_gan import coffee_leaf
from configs.semisup import few_labels

get_config = few_labels.make_small(coffee_leaf, labels=10)

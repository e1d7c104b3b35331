"""s4GAN + MLMT on PASCAL VOC 2012 (aug), as published.

  semseg-jax train --config=configs/semisup/pascal_voc.py:ratio=0.125 \
      --config.data.data_dir=DATA/pascal_voc --workdir=runs/voc8
  semseg-jax eval  (the same flags)

Arguments: method, ratio (0.02, 0.05, 0.125 and 1 in the paper) or labels, seed,
match_official, smoke. Initial weights (ImageNet or COCO, converted) go to
config.segmenter.weights and config.mlmt.weights.
"""

from configs import common
from configs.semisup import base
from configs.semisup import small

POOL = 10_582


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, **base.arguments(ratio=0.125))
  c = base.get_config()
  c.data.update(name="pascal_voc/aug", size=321, num_classes=21,
                in_domain="val")
  c.data.geometry.update(
      crop=True, shape=(321, 321), fill=(123, 117, 104),  # the mean: 0 inside
      evaluate=(505, 505), pad_evaluation=True)
  base.choose(c, a, POOL)
  base.epochs_of(c, POOL if c.data.num_labeled < 0 else c.data.num_labeled)
  if a["smoke"]:
    small.smoke(c)
  return c

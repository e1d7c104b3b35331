r"""s4GAN + MLMT on PASCAL VOC 2012 (aug), as published.

  semseg-jax train --config=configs/semisup/pascal_voc.py:ratio=0.125 \
      --config.data.data_dir=DATA/pascal_voc --workdir=runs/voc8
  semseg-jax eval  (the same flags)

Arguments: method, ratio (0.02, 0.05, 0.125 and 1 in the paper) or labels, seed,
match_official, smoke. Initial weights (ImageNet or COCO, converted) go to
config.segmenter.weights and config.mlmt.weights.
"""

from configs import common
from configs import data_sets
from configs.semisup import base

POOL = 10_582


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, **base.arguments(ratio=0.125))
  c = data_sets.use(base.get_config(), "pascal_voc")
  c.data.geometry.update(
      crop=True, shape=(321, 321), fill=(123, 117, 104),  # the mean: 0 inside
      evaluate=(505, 505), pad_evaluation=True)
  return base.finish(c, a, POOL, published=True)

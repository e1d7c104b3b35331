r"""s4GAN on Cityscapes at half resolution, as published.

  semseg-jax train --config=configs/semisup/cityscapes.py:ratio=0.125 \
      --config.data.data_dir=DATA/cityscapes --workdir=runs/cityscapes8
  semseg-jax eval  (the same flags)

Arguments: method, ratio (0.125, 0.25 and 1 in the paper) or labels, seed,
wide_resnet (DeepLabv3+ with WRN-38 at the settings of the official code, which
has ratio 0.1 there),
match_official, smoke. Images and labels are halved to 512 x 1024 and scored
there. Nearly every class is in every image, so there is no MLMT by default.
"""

from configs import common
from configs import data_sets
from configs.semisup import base

POOL = 2975


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(
      arg, **base.arguments(method="s4gan", ratio=0.125, wide_resnet=False))
  c = data_sets.use(base.get_config(), "cityscapes")
  c.data.geometry.update(
      resize=(512, 1024), crop=True, shape=(256, 512), evaluate=(512, 1024))
  c.segmenter.normalize = "cityscapes"
  c.s4gan.update(discriminator_learning_rate=1e-5, threshold=0.7)
  if a["wide_resnet"]:
    c.segmenter.update(network="deeplabv3plus", depth=38)
    for stage in (c.supervised, c.s4gan):
      stage.learning_rate = 1e-3
    c.s4gan.threshold = 0.55
  return base.finish(c, a, POOL, published=True)

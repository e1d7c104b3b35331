r"""Fewshot-SMIS on coffee leaves (real photographs), 64 px, two CPU cores.

  C=configs/fewshot_smis/coffee_leaf.py:shots=5,labeling=dense
  semseg-jax train --config=$C --config.data.data_dir=DATA/coffee_leaf \
      --workdir=runs/leaf_smis
  semseg-jax eval --study=synthesis  (the same flags)

Arguments: shots (1 and 5 in the paper), labeling (dense, nearest, or sparse:
scribbles made of the masks), seed, smoke. All variants can share the
stages `gan` and `fully_supervised` (docs/fewshot_smis.md).
"""

from configs import common
from configs import data_sets
from configs.fewshot_smis import base
from configs.semantic_gan import small


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, **base.arguments())
  c = data_sets.use(base.get_config(), "coffee_leaf", size=64, out_of_domain=())
  base.two_cores(c)
  # Most of the time goes into the finest maps.
  c.generator.channels_per_resolution = ((32, 48), (64, 24))
  c.image_discriminator.channels_per_resolution = (
      c.generator.channels_per_resolution)
  small.projected(c)
  c.gan.steps = 4000
  # By the pseudo labels' agreement with the fully supervised segmenter.
  c.pseudo.layer = "conv32"
  c.encoder.steps = 1500
  c.supervised.update(steps=1000)
  c.synthesis.styles = "6-9"
  return base.whole_masks(c, a)

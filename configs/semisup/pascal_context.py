r"""s4GAN + MLMT on PASCAL-Context, as published.

  semseg-jax train --config=configs/semisup/pascal_context.py:ratio=0.125 \
      --config.data.data_dir=DATA/pascal_context --workdir=runs/context8
  semseg-jax eval  (the same flags)

Arguments: method, ratio (0.125, 0.25 and 1 in the paper) or labels, seed,
match_official, smoke. Scored on center squares of 512 px, as in the official
code.
"""

from configs import common
from configs import data_sets
from configs.semisup import base

POOL = 4996


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, **base.arguments(ratio=0.125))
  c = data_sets.use(base.get_config(), "pascal_context")
  c.data.geometry.update(
      crop=True, shape=(321, 321), short_side=(252, 1010), blur=0.5,
      # Background, not ignored, as in the official code.
      fill=(0, 0, 0), fill_label=0,
      evaluate_short_side=512, evaluate=(512, 512))
  c.segmenter.normalize = "imagenet"
  for stage in (c.supervised, c.s4gan):
    stage.steps = 60_000
  return base.finish(c, a, POOL, published=True)

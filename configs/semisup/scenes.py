"""Semi-supervised segmentation of rendered scenes, 64 px, 10 classes.

  A=method=s4gan_mlmt,ratio=0.05
  semseg-jax train --config=configs/semisup/scenes.py:$A --workdir=runs/scenes
  semseg-jax eval  (the same flags)

Arguments: method (supervised, adv_ssl, s4gan, mlmt, mean_teacher; s4gan_mlmt:
all of the paper's; baselines: its other methods), ratio of the 4000 images with
labels, or labels (their number), seed, backbone, gpu (wider, longer),
match_official, smoke.
"""

from configs import common
from configs import data_sets
from configs.semisup import base
from configs.semisup import small

POOL = 4000


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, **base.arguments(ratio=0.05, gpu=False))
  c = data_sets.use(base.get_config(), "scenes")
  if a["gpu"]:
    small.one_gpu(c)
  else:
    small.two_cores(c)
  return base.finish(c, a, POOL)

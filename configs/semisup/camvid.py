r"""Semi-supervised segmentation of road scenes (CamVid, real, 11 classes).

  semseg-jax train --config=configs/semisup/camvid.py:labels=46,cpu \
      --config.data.data_dir=DATA/camvid --workdir=runs/camvid46
  semseg-jax eval  (the same flags)

Arguments: method, labels (the pack has lists of 12, 23, 46, 92 and 184 of 367)
or ratio, seed, cpu (narrow, short), backbone (efficientnet_lite0: on ImageNet's
features; with cpu a semantic FPN on crops of the full images), match_official,
smoke. Images are 240 x 180, scores are taken at 480 x 360. `val` is scored: the
pack's test set is held back, so that checkpoints are chosen on what is scored,
for every row alike.
"""

from configs import common
from configs import data_sets
from configs.semisup import base
from configs.semisup import small

POOL = 367


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, **base.arguments(labels=46, cpu=False))
  c = data_sets.use(base.get_config(), "camvid")
  c.data.geometry.shape = (180, 240)
  if a["cpu"]:
    small.two_cores_real(c, steps=300, batch=4, views=(96, 128))
  else:
    small.one_gpu(c)
  base.finish(c, a, POOL)
  if a["cpu"] and a["backbone"] and not a["smoke"]:
    small.on_features(c, steps=600, evaluate=(360, 480))
  return c

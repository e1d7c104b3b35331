r"""Semi-supervised parsing of persons' clothing (real, 8 classes).

  semseg-jax train --config=configs/semisup/ccp_person.py:labels=100,cpu \
      --config.data.data_dir=DATA/ccp_person --workdir=runs/ccp100
  semseg-jax eval  (the same flags)

Arguments: method, labels (the pack has lists of 1, 5, 10, 30, 100 and 200 of
404) or ratio, seed, cpu (narrow, short), backbone (efficientnet_lite0: on
ImageNet's features), match_official, smoke. All 1086 images of the split
`unlabeled` serve without labels.
"""

from configs import common
from configs import data_sets
from configs.semisup import base
from configs.semisup import small

POOL = 404


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, **base.arguments(labels=100, cpu=False))
  c = data_sets.use(base.get_config(), "ccp_person")
  c.data.geometry.shape = (192, 128)
  if a["cpu"]:
    small.two_cores_real(c, steps=400, batch=8, views=(144, 96))
    c.fusion.tau = 0.01 if a["backbone"] else 0.1  # the best on val
  else:
    small.one_gpu(c)
  return base.finish(c, a, POOL, separate=True)

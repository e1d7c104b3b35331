r"""Fewshot-SMIS on coffee leaves (real photographs), 64 px, two CPU cores.

  C=configs/fewshot_smis/coffee_leaf.py:shots=5,labeling=dense
  semseg-jax train --config=$C --config.data.data_dir=DATA/coffee_leaf \
      --workdir=runs/leaf_smis
  semseg-jax eval --study=synthesis  (the same flags)

Arguments: shots (1 and 5 in the paper), labeling (dense, nearest, fitted, or
sparse: scribbles made of the masks), seed, run (another run of images alone,
whose generator is used), smoke. All variants can share the stages `gan` and
`fully_supervised` (docs/fewshot_smis.md).
"""

from configs import common
from configs import data_sets
from configs.fewshot_smis import base


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, **base.arguments(run=""))
  c = data_sets.use(base.get_config(), "coffee_leaf", out_of_domain=())
  base.at_64(base.two_cores(c), a["run"])
  c.gan.steps = 4000
  # Its error on new pairs falls for long.
  c.encoder.steps = 6000
  # By the pseudo labels' agreement with the fully supervised segmenter.
  c.pseudo.layer = "conv32"
  c.supervised.update(steps=1000)
  return base.whole_masks(c, a)

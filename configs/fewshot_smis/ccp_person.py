r"""Fewshot-SMIS on standing persons (real photographs), 128 px, one GPU.

  C=configs/fewshot_smis/ccp_person.py:shots=5,labeling=dense
  semseg-jax train --config=$C --config.data.data_dir=DATA/ccp_person \
      --workdir=runs/person_smis
  semseg-jax eval --study=synthesis  (the same flags)

Arguments: shots (1 and 5 in the paper), labeling (dense, nearest, or sparse:
scribbles made of the masks), seed, cpu (64 px, narrow), smoke. Images
become squares.
"""

from configs import common
from configs import data_sets
from configs.fewshot_smis import base


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, **base.arguments(cpu=False))
  c = data_sets.use(base.get_config(), "ccp_person")
  c.gan.augment.update(policy=("color", "translation"), strength=0.6)
  c.synthesis.styles = "6-11"
  if a["cpu"]:
    base.at_64(base.two_cores(c))
    c.gan.steps = 6000
    c.supervised.steps = 1000
  else:
    # A fortieth of the published GAN steps.
    c.generator.update(max_channels=256, channel_multiplier=1.0)
    c.image_discriminator.update(max_channels=256, channel_multiplier=1.0)
    c.gan.steps = 20_000
    c.encoder.update(steps=20_000, batch_size=8)
    c.supervised.steps = 4000
  return base.whole_masks(c, a)

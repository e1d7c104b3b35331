"""Fewshot-SMIS on the procedural faces, 32 px, for two CPU cores.

  C=configs/fewshot_smis/toy_faces.py:shots=5,labeling=dense
  semseg-jax train --config=$C --workdir=runs/smis
  semseg-jax eval --study=synthesis --config=$C --workdir=runs/smis

Arguments: shots (1 and 5 in the paper), labeling (dense, nearest, fitted, or
sparse: scribbles made of the masks), seed, run (64 px; another run of images
alone, or the shipped model toy_faces, whose generator is used), smoke. All
variants can share the stages `gan` and `fully_supervised`
(docs/fewshot_smis.md).
"""

from configs import common
from configs import data_sets
from configs.fewshot_smis import base


def get_config(arg=""):
  """Config of the experiment; see the module's docstring for `arg`."""
  a = common.parse_arg(arg, **base.arguments(run=""))
  c = data_sets.use(base.get_config(), "toy_faces", out_of_domain=(),
                    num_unlabeled=2000)
  base.two_cores(c)
  c.generator.channels_per_resolution = ((32, 32),)
  c.image_discriminator.channels_per_resolution = ((32, 32),)
  c.gan.steps = 5000
  # The last maps encode colors more than parts (chosen by the pseudo labels'
  # agreement with the fully supervised segmenter, as k and threshold).
  c.pseudo.update(layer="conv16", threshold=0.7)
  c.supervised.update(steps=1200, width=16, learning_rate=2e-3)
  c.synthesis.styles = "5-7"
  c.evaluation.limit = 200
  if a["run"] and not a["smoke"]:
    base.at_64(c, a["run"])
    c.encoder.steps = 6000
    c.pseudo.layer = "conv32"
    # As RepurposeGAN's, to share the stage.
    c.supervised.update(steps=1000, width=12, levels=4, learning_rate=1e-3)
  return base.whole_masks(c, a)

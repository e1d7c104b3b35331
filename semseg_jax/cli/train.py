"""Trains the stages of an experiment, in order; run again to resume.

  python train.py --config=configs/semantic_gan/toy_faces.py:labels=20 \
      --workdir=runs/toy_faces20
"""

import sys

from absl import flags
from ml_collections import config_flags

from semseg_jax import experiment
from semseg_jax.cli import arguments
from semseg_jax.cli import launcher
from semseg_jax.cli import processes


def define_flags():
  """--config, --workdir and --stage."""
  arguments.define_run("Folder of the run; an existing run is resumed.")
  flags.DEFINE_list(
      "stage", [], "Stages to run; empty for all of the config's.")


def main(argv):
  del argv
  processes.join()
  given = flags.FLAGS
  overrides = config_flags.get_override_values(given["config"])
  experiment.run(experiment.train, given.config, given.workdir,
                 overrides=overrides, only=given.stage)


if __name__ == "__main__":
  launcher.main(["train", *sys.argv[1:]])

r"""Trains the stages of an experiment, in order; run again to resume.

  semseg-jax train --config=configs/semantic_gan/toy_faces.py:labels=20 \
      --workdir=runs/toy_faces20
"""

from absl import flags
from ml_collections import config_flags

from semseg_jax import experiment
from semseg_jax.cli import arguments


def define_flags(values=flags.FLAGS, argv=None):
  """See --help."""
  arguments.define_run("Folder of the run; an existing run is resumed.",
                       values=values, argv=argv)
  arguments.define_processes(values)
  flags.DEFINE_list(
      "stage", [], "Stages to run; empty for all of the config's.",
      flag_values=values)


def work(given):
  """Does what parsed flags ask for."""
  experiment.run(
      experiment.train, given.config, given.workdir,
      overrides=config_flags.get_override_values(given["config"]),
      only=given.stage)


def main(argv):
  del argv
  arguments.join()
  work(flags.FLAGS)

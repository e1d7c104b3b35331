"""Labels test images with a trained run, scores them, draws them.

  python eval.py --workdir=runs/toy_faces20
"""

import sys

from absl import flags

from semseg_jax import experiment
from semseg_jax.cli import arguments
from semseg_jax.cli import launcher
from semseg_jax.cli import processes


def define_flags():
  """--config, --workdir and --split."""
  arguments.define_run(
      "Folder of the run; where train.py left it.", trained=True)
  flags.DEFINE_list(
      "split", [], "Splits to score; empty for the config's in- and "
      "out-of-domain splits.")


def main(argv):
  del argv
  processes.join()
  given = flags.FLAGS
  experiment.run(experiment.evaluate, given.config, given.workdir,
                 data_dir=given.data_dir, splits=given.split)


if __name__ == "__main__":
  launcher.main(["eval", *sys.argv[1:]])

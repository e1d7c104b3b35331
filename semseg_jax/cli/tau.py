"""Chooses fusion's threshold tau on the validation split of a trained run.

  semseg-jax tau --config=configs/semisup/scenes.py \
      --workdir=runs/scenes

Prints the mean IoU of each fused segmenter by tau and the flag for eval.py that
sets the best one of the last column.
"""

import sys

from absl import flags

from semseg_jax import experiment
from semseg_jax.cli import arguments
from semseg_jax.cli import launcher
from semseg_jax.evaluation import tables
from semseg_jax.methods.semisup import fusion


def define_flags():
  """See --help."""
  arguments.define_run("Folder of the trained run.")
  flags.DEFINE_list(
      "tau", ["0.01", "0.02", "0.05", "0.1", "0.2", "0.3", "0.4", "0.5"],
      "Thresholds to try, at least 0 and below 1.")


def main(argv):
  del argv
  rows = experiment.run(
      lambda config, workdir: fusion.search(
          config, workdir, _thresholds(flags.FLAGS.tau)),
      flags.FLAGS.config, flags.FLAGS.workdir)
  print(tables.text(rows))
  last = list(rows[0])[-1]
  best = max(rows, key=lambda row: row[last])
  if best["tau"] is None:
    print(f"\n{last}: no tau is better than no fusion")
  else:
    print(f"\n{last}: best with --config.fusion.tau={best['tau']}")


def _thresholds(texts):
  try:
    return [float(text) for text in texts]
  except ValueError as error:
    raise ValueError(f"--tau: {error}") from None


if __name__ == "__main__":
  launcher.main(["tau", *sys.argv[1:]])

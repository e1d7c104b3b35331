r"""One experiment with several seeds: trained, scored, mean and spread.

  semseg-jax sweep --seeds=0,1,2 --workdir=runs/scenes3 \
      --config=configs/semisup/scenes.py:method=s4gan_mlmt,ratio=0.05

Each seed has a folder; run again after an interruption: it continues. The
seed is given to the config as its argument `seed`, so that it also chooses the
labeled images.
"""

import pathlib

from absl import flags
from ml_collections import config_flags

from semseg_jax import experiment
from semseg_jax.cli import arguments
from semseg_jax.evaluation import tables
from semseg_jax.training import exits


def main(argv):
  del argv
  given = flags.FLAGS
  workdir, results = pathlib.Path(given.workdir), []
  # Those of the command line were read, and refused, with the config.
  changes = config_flags.get_override_values(given["config"])
  seeds = arguments.seeds()
  with exits.one_line():
    arguments.refuse_seed(changes)
    configs = {s: arguments.seeded_config(
        given["config"].config_filename, s) for s in seeds}
  for seed, config in configs.items():
    config.update_from_flattened_dict(changes)
    folder = workdir / f"seed{seed}"
    experiment.run(experiment.train, config, folder)
    results.append(experiment.run(experiment.evaluate, config, folder))
  tables.write_results(results, config, workdir)


def define_flags():
  """See --help."""
  arguments.define_run("Folder of the runs.")
  flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds; one run each.")

"""One experiment with several seeds: trained, scored, mean and spread.

  semseg-jax sweep --seeds=0,1,2 --workdir=runs/scenes3 \
      --config=configs/semisup/scenes.py:method=s4gan_mlmt,ratio=0.05

Each seed has a folder; run again after an interruption: it continues. The
seed is given to the config as its argument `seed`, so that it also chooses the
labeled images.
"""

import ast
import pathlib
import sys

from absl import flags
from ml_collections import config_flags

from semseg_jax import experiment
from semseg_jax.cli import arguments
from semseg_jax.cli import launcher


def load(config: str, seed: int, changes=()):
  """The config FILE:ARGUMENT with this seed and FIELD=VALUE changes.

  Raises:
    ValueError: a malformed change, or an unknown field or argument.
    OSError: no such file.
  """
  path, _, argument = config.partition(":")
  loaded = arguments.load_config(
      f"{path}:" + ",".join(filter(None, (argument, f"seed={seed}"))))
  loaded.lock()
  for change in changes:
    name, equals, text = change.partition("=")
    try:
      value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
      value = text
    try:
      if not equals:
        raise KeyError(name)
      loaded.update_from_flattened_dict({name: value})
    except (AttributeError, KeyError, TypeError) as error:
      raise ValueError(
          f"--config.{change}: write --config.FIELD=VALUE with a field of the "
          "config and a value of its type") from error
  return loaded


def main(argv):
  del argv
  given = flags.FLAGS
  workdir, results = pathlib.Path(given.workdir), []
  # Those of the command line were read, and refused, with the config.
  changes = config_flags.get_override_values(given["config"])
  try:
    configs = {int(s): load(given["config"].config_filename, int(s))
               for s in given.seeds}
  except (OSError, ValueError) as error:
    sys.exit(f"error: {error}")
  for config in configs.values():
    config.update_from_flattened_dict(changes)
  for seed, config in configs.items():
    folder = workdir / f"seed{seed}"
    experiment.run(experiment.train, config, folder)
    results.append(experiment.run(experiment.evaluate, config, folder))
  experiment.write_table(results, config, workdir)


def define_flags():
  """See --help."""
  arguments.define_run("Folder of the runs.")
  flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds; one run each.")


if __name__ == "__main__":
  launcher.main(["sweep", *sys.argv[1:]])

"""One experiment with several seeds: trained, scored, mean and spread.

  python -m semseg_jax.cli.sweep --seeds=0,1,2 --workdir=runs/scenes3 \
      --config=configs/semisup/scenes.py:method=s4gan_mlmt,ratio=0.05

Each seed has a folder; run again after an interruption: it continues. The
seed is given to the config as its argument `seed`, so that it also chooses the
labeled images. Fields are changed by --set=data.data_dir=DIR.
"""

from semseg_jax.training import xla_flags

xla_flags.apply()  # before jax starts
xla_flags.compile_cache()

import ast  # noqa: E402
import importlib.util  # noqa: E402
import pathlib  # noqa: E402
import sys  # noqa: E402

from absl import app  # noqa: E402
from absl import flags  # noqa: E402

from semseg_jax import experiment  # noqa: E402


def load(config: str, seed: int, changes=()):
  """The config FILE:ARGUMENT with this seed and FIELD=VALUE changes.

  Raises:
    ValueError: a malformed change, or an unknown field or argument.
    OSError: no such file.
  """
  path, _, argument = config.partition(":")
  spec = importlib.util.spec_from_file_location("sweep_config", path)
  if spec is None:
    raise ValueError(f"--config={path}: not a Python file")
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  loaded = module.get_config(
      ",".join(filter(None, (argument, f"seed={seed}"))))
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
          f"--set={change}: write FIELD=VALUE with a field of the config and a "
          "value of its type") from error
  return loaded


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"unexpected arguments {argv[1:]}")
  # Configs are data beside the package; train.py imports them likewise.
  sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
  workdir, results = pathlib.Path(flags.FLAGS.workdir), []
  try:
    configs = {int(s): load(flags.FLAGS.config, int(s), flags.FLAGS.set)
               for s in flags.FLAGS.seeds}
  except (OSError, ValueError) as error:
    sys.exit(f"error: {error}")
  for seed, config in configs.items():
    folder = workdir / f"seed{seed}"
    experiment.run(experiment.train, config, folder)
    results.append(experiment.run(experiment.evaluate, config, folder))
  experiment.write_table(results, config, workdir)


def define_flags():
  """Not on import: tests import several commands."""
  flags.DEFINE_string(
      "config", None, "FILE:ARGUMENT of a config, without a seed.")
  flags.DEFINE_string("workdir", None, "Folder of the runs.")
  flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds; one run each.")
  flags.DEFINE_multi_string("set", [], "FIELD=VALUE of the config.")


if __name__ == "__main__":
  define_flags()
  flags.mark_flags_as_required(["config", "workdir"])
  app.run(main)

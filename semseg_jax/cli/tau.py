"""Chooses fusion's threshold tau on the validation split of a trained run.

  python -m semseg_jax.cli.tau --config=configs/semisup/scenes.py \
      --workdir=runs/scenes

Prints the mean IoU of each fused segmenter by tau and the flag for eval.py that
sets the best one of the last column.
"""

from semseg_jax.training import xla_flags

xla_flags.apply()  # before jax starts
xla_flags.compile_cache()

from absl import app  # noqa: E402
from absl import flags  # noqa: E402
from ml_collections import config_flags  # noqa: E402

from semseg_jax import experiment  # noqa: E402
from semseg_jax.cli import arguments  # noqa: E402
from semseg_jax.evaluation import tables  # noqa: E402
from semseg_jax.methods.semisup import fusion  # noqa: E402

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config file of the experiment.", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the trained run.")
_TAU = flags.DEFINE_list(
    "tau", ["0.01", "0.02", "0.05", "0.1", "0.2", "0.3", "0.4", "0.5"],
    "Thresholds to try, at least 0 and below 1.")


def main(argv):
  del argv
  rows = experiment.run(
      lambda config, workdir: fusion.search(
          config, workdir, _thresholds(_TAU.value)),
      _CONFIG.value, _WORKDIR.value)
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
  flags.mark_flags_as_required(["config", "workdir"])
  app.run(main, flags_parser=arguments.parse)

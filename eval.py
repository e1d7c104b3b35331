"""Labels test images with a trained run, scores them, draws them.

  python eval.py --config=configs/semantic_gan/toy_faces.py:labels=20 \
      --workdir=runs/toy_faces20
"""

from semseg_jax.training import xla_flags

xla_flags.apply()  # before jax starts
xla_flags.compile_cache()

from absl import app  # noqa: E402
from absl import flags  # noqa: E402
from ml_collections import config_flags  # noqa: E402

from semseg_jax import experiment  # noqa: E402
from semseg_jax.cli import arguments  # noqa: E402
from semseg_jax.cli import processes  # noqa: E402

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config file of the experiment.", lock_config=True)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; where train.py left it.")
_SPLIT = flags.DEFINE_list(
    "split", [], "Splits to score; empty for the config's in- and "
    "out-of-domain splits.")


def main(argv):
  del argv
  processes.join()
  experiment.run(experiment.evaluate, _CONFIG.value, _WORKDIR.value,
                 splits=_SPLIT.value)


if __name__ == "__main__":
  flags.mark_flags_as_required(["config", "workdir"])
  app.run(main, flags_parser=arguments.parse)

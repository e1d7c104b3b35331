"""Labels a folder of images with a trained run, by batched inversion.

  python -m semseg_jax.cli.label --config=configs/semantic_gan/toy_faces.py \
      --workdir=runs/toy_faces20 --images=FOLDER --out=runs/toy_faces20/labels

Writes for each image <name>_index.png (class indices at the image's own
size), <name>_color.png, <name>_overlay.png and <name>_reconstruction.png, and
labels.json (what was used, and Dm's confidence in each label). Run again after
an interruption: finished images stay.
"""

from semseg_jax.training import xla_flags

xla_flags.apply()  # before jax starts
xla_flags.compile_cache()

from absl import app  # noqa: E402
from absl import flags  # noqa: E402
from ml_collections import config_flags  # noqa: E402

from semseg_jax import experiment  # noqa: E402
from semseg_jax.cli import arguments  # noqa: E402

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config file of the experiment.", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the trained run.")
_IMAGES = flags.DEFINE_string("images", None, "Folder of images.")
_OUT = flags.DEFINE_string("out", None, "Folder for the labels.")


def main(argv):
  del argv
  experiment.run(experiment.label, _CONFIG.value, _WORKDIR.value,
                 images=_IMAGES.value, out=_OUT.value)


if __name__ == "__main__":
  flags.mark_flags_as_required(["config", "workdir", "images", "out"])
  app.run(main, flags_parser=arguments.parse)

r"""Writes generated images for a person to label, with their latents.

  python -m semseg_jax.cli.sample --config=configs/repurpose_gan/toy_faces.py \
      --workdir=runs/repurpose_toy_faces --out=my_shots --n=10

For each image <number>.png and <number>.npz (latents and noise), for all
samples.json and classes.json. Paint <number>_mask.png (class indices) or save
LabelMe's <number>.json beside them, then train with
--config.shots.folder=my_shots (RepurposeGAN: and --config.shots.source=folder;
docs/repurpose_gan.md). Files that are there are not written again.
"""

from semseg_jax.training import xla_flags

xla_flags.apply()  # before jax starts
xla_flags.compile_cache()

from absl import app  # noqa: E402
from absl import flags  # noqa: E402
from ml_collections import config_flags  # noqa: E402

from semseg_jax import experiment  # noqa: E402
from semseg_jax.cli import arguments  # noqa: E402
from semseg_jax.methods.common import data  # noqa: E402
from semseg_jax.methods.common import generator as trained  # noqa: E402
from semseg_jax.methods.common import samples  # noqa: E402

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config file of the experiment.", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
_OUT = flags.DEFINE_string("out", None, "Folder for the images.")
_N = flags.DEFINE_integer("n", 10, "How many images.", lower_bound=1)
_FIRST = flags.DEFINE_integer(
    "first", 0, "Number of the first one; other numbers, other images.",
    lower_bound=0)


def write(config, workdir, *, out, n: int, first: int = 0):
  """Writes samples first, ..., first + n - 1 and says what to do next."""
  generator = trained.load(config, workdir, "cli.sample")
  # Without a data set the user's own classes.json has to be there.
  spec = data.dataset(config).spec if config.data.name else None
  names = samples.write(generator, spec, out, range(first, first + n),
                        config.shots.get("truncation", 1.0))
  print(f"{len(names)} images in {out}, {names[0]}.png to {names[-1]}.png.\n"
        f"Classes: {out}/classes.json. Paint <name>_mask.png or save LabelMe's "
        "<name>.json beside them, at the images' size.")
  return names


def main(argv):
  del argv
  experiment.run(write, _CONFIG.value, _WORKDIR.value, out=_OUT.value,
                 n=_N.value, first=_FIRST.value)


if __name__ == "__main__":
  flags.mark_flags_as_required(["config", "workdir", "out"])
  app.run(main, flags_parser=arguments.parse)

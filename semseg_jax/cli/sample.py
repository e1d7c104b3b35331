r"""Writes generated images for a person to label, with their latents.

  semseg-jax sample --config=configs/repurpose_gan/toy_faces.py \
      --workdir=runs/repurpose_toy_faces --out=my_shots --n=10
  semseg-jax sample --model=toy_faces --out=samples

The config is the run's, where it has been trained; --model is an exported file
or a shipped model.
For each image <number>.png and <number>.npz (latents and noise), for all
samples.json and classes.json. Paint <number>_mask.png (class indices or their
colors) or save LabelMe's <number>.json beside them, then train with
--config.shots.folder=my_shots (RepurposeGAN: and --config.shots.source=folder;
docs/repurpose_gan.md). Files that are there are not written again.
"""

from absl import flags
import jax
from ml_collections import config_flags

from semseg_jax import api
from semseg_jax import experiment
from semseg_jax.cli import arguments
from semseg_jax.methods.common import data
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import samples
from semseg_jax.training import console
from semseg_jax.training import exits


def write(config, workdir, *, out, n: int, first: int = 0, spec=None):
  """Writes samples first, ..., first + n - 1 and says what to do next."""
  if "generator" not in config:
    raise ValueError(f"{workdir} is of {config.method}, which has no generator "
                     "to sample from")
  generator = generators.load(config, workdir, "semseg-jax sample")
  # Without a data set the user's own classes.json has to be there.
  if spec is None and config.data.name:
    spec = data.dataset(config).spec
  names = samples.write(generator, spec, out, range(first, first + n),
                        config.get("shots", {}).get("truncation", 1.0))
  print(f"{len(names)} images in {out}, {names[0]}.png to {names[-1]}.png.\n"
        f"Classes: {out}/classes.json. Paint <name>_mask.png or save LabelMe's "
        "<name>.json beside them, at the images' size.")
  return names


def define_flags():
  """See --help."""
  config_flags.DEFINE_config_file(
      "config", None, "Config file of the experiment; by default the run's.",
      lock_config=True)
  flags.DEFINE_string("workdir", "", "Folder of the run.")
  flags.DEFINE_string(
      "model", "", "Exported file or a shipped model's name, instead.")
  flags.DEFINE_string("out", None, "Folder for the images.")
  flags.DEFINE_integer("n", 10, "How many images.", lower_bound=1)
  flags.DEFINE_integer(
      "first", 0, "Number of the first one; other numbers, other images.",
      lower_bound=0)
  arguments.require("out")


def main(argv):
  del argv
  given = flags.FLAGS
  counts = {"out": given.out, "n": given.n, "first": given.first}
  if given.workdir and not given.model:
    experiment.run(write, given.config, given.workdir, **counts)
    return
  console.setup()
  with exits.one_line():
    if bool(given.workdir) == bool(given.model):
      raise ValueError("give --workdir=FOLDER or --model=NAME")
    model = api.load(given.model, config=given.config)
    with jax.default_matmul_precision(model.config.matmul_precision):
      write(model.config, model.workdir, spec=model.spec, **counts)

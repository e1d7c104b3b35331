"""Labels a folder of images with a trained run, by batched inversion.

  semseg-jax label --workdir=runs/toy_faces20 --images=FOLDER \
      --out=runs/toy_faces20/labels

Writes for each image <name>_index.png (class indices at the image's own
size), <name>_color.png, <name>_overlay.png and <name>_reconstruction.png, and
labels.json (what was used, and Dm's confidence in each label). Run again after
an interruption: finished images stay.
"""


from absl import flags

from semseg_jax import experiment
from semseg_jax.cli import arguments


def define_flags():
  """See --help."""
  arguments.define_run("Folder of the trained run.", trained=True)
  flags.DEFINE_string("images", None, "Folder of images.")
  flags.DEFINE_string("out", None, "Folder for the labels.")
  flags.mark_flags_as_required(["images", "out"])


def main(argv):
  del argv
  given = flags.FLAGS
  experiment.run(experiment.label, given.config, given.workdir,
                 data_dir=given.data_dir, images=given.images, out=given.out)

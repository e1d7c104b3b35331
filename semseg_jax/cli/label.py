r"""Labels images with a trained model, by any of its methods.

  semseg-jax label --workdir=runs/toy_faces20 --images=FOLDER \
      --out=labels --method=supervised

--images: a folder, a pattern ("photos/**/*.jpg") or a text file with a path a
line. <name> is an image's path below that folder, below what is before the
pattern's first wildcard (photos) or below the text file's folder, without the
ending. Writes for each image <name>_index.png (class indices at the image's own
size), <name>_color.png, <name>_overlay.png and, by inversion,
<name>_reconstruction.png; and for all one labels-*.tar (indices and confidence)
with a summary of the same name in .json. --files= leaves the PNGs out.

Run again after an interruption: finished images stay, unless their files have
changed, and missing PNGs are written from the tar (but reconstructions, which
are not in it). For many images start several processes, on any hosts, with
--shard=0/16 to --shard=15/16.
"""

import pathlib
import re

from absl import flags
from ml_collections import config_flags

from semseg_jax import api
from semseg_jax.cli import arguments
from semseg_jax.data import image_folder
from semseg_jax.evaluation import labels
from semseg_jax.training import console
from semseg_jax.training import exits


def label(model: api.Model, *, images: str, out: str, method: str = "",
          steps: int | None = None, batch_size: int | None = None,
          shard: str = "0/1", files=labels.KINDS) -> labels.Summary:
  """Labels image files; see the module's docstring and `labels.write`.

  Raises ValueError: a flag cannot be used. errors.DataError: no image can be.
  """
  numbers = re.fullmatch(r"(\d+)/(\d+)", shard)
  number, count = map(int, numbers.groups()) if numbers else (0, 0)
  if number >= count:
    raise ValueError(f"--shard={shard}: give NUMBER/COUNT, from 0/16 to 15/16")
  unknown = set(files) - set(labels.KINDS)
  if unknown:
    raise ValueError(f"--files={','.join(files)}: choose from "
                     f"{', '.join(labels.KINDS)}")
  method = model.chosen_method(method, steps=steps)
  source = image_folder.find(images, model.config.data.channels)
  folder = pathlib.Path(out).expanduser().resolve()
  # Labels of a/0 lie in the folder a of `out`.
  if source.folders & {(folder / name).parent for name in source.ids}:
    raise ValueError(f"--out={out}: labels would lie beside the images and be "
                     "images the next time; give another folder")
  size = batch_size or model.batch_size(len(source))
  written = labels.write(
      lambda arrays, numbers: model.segment(
          arrays, method, steps=steps, batch_size=size, numbers=numbers),
      source, out_dir=out, method=method, class_names=model.class_names,
      colors=model.colors, batch_size=size,
      fingerprint=f"{model.fingerprint} steps={steps}", shard=(number, count),
      kinds=files)
  name = labels.shard_name(number, count)
  gone = len(written.confidence.keys() - set(source.ids))
  print(f"{len(written.confidence) - gone} images labeled by {method} in "
        f"{out}/{name} ({written.new} of them now), "
        f"{len(written.unreadable)} unreadable"
        + (f" (see {name.removesuffix('.tar')}.json)"
           if written.unreadable else "")
        + (f"; labels of {gone} that were not given stay" if gone else ""))
  return written


def define_flags():
  """See --help."""
  config_flags.DEFINE_config_file(
      "config", None, "Config instead of the run's, which was trained alike: "
      "with another inversion, for instance.", lock_config=True)
  flags.DEFINE_string("workdir", "", "Folder of the trained run.")
  flags.DEFINE_string(
      "model", "", "Exported file or a shipped model's name, instead.")
  flags.DEFINE_string("images", None, "Folder, pattern or list of images.")
  flags.DEFINE_string("out", None, "Folder for the labels.")
  flags.DEFINE_string(
      "method", "", "Which of the model's methods; by default the best on "
      "validation.")
  flags.DEFINE_integer("steps", None, "Of inversion; by default the run's.",
                       lower_bound=1)
  flags.DEFINE_integer("batch_size", None, "Images at once.", lower_bound=1)
  flags.DEFINE_string("shard", "0/1", "Which part of the images.")
  flags.DEFINE_list(
      "files", list(labels.KINDS), "PNGs to write for each image.")
  arguments.require("images", "out")


def main(argv):
  del argv
  given = flags.FLAGS
  console.setup()
  with exits.one_line():
    if bool(given.workdir) == bool(given.model):
      raise ValueError("give --workdir=FOLDER or --model=NAME")
    label(api.load(given.workdir or given.model, config=given.config),
          images=given.images, out=given.out, method=given.method,
          steps=given.steps, batch_size=given.batch_size, shard=given.shard,
          files=given.files)

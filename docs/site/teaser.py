"""The README's figure: images, truth and each method's labels, both domains.

  python -m docs.site.teaser --workdir=runs/demo --out=docs/teaser.png

Shows the first images of every split that the run has evaluated.
"""

from absl import app
from absl import flags
import numpy as np

from semseg_jax.evaluation import figures
from semseg_jax.ops import image_ops
from semseg_jax.reporting import run_folder

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of an evaluated run.", required=True)
_OUT = flags.DEFINE_string("out", "docs/teaser.png", "The PNG to write.")
_METHODS = flags.DEFINE_list("methods", [], "Methods to show; empty: all.")
_IMAGES = 6  # of each split
_TILE = 96


def draw(run: run_folder.Run, methods=()) -> np.ndarray:
  """uint8 [H, W, 3]: a column an image, the splits beside each other."""
  splits = [s for s in run.splits if s.cases]
  if not splits:
    raise ValueError(f"{run.folder}: no evaluation kept images; run eval.py")
  methods = list(methods) or list(splits[0].cases.methods)
  columns, heads = [], []
  for split in splits:
    for i in list(split.cases.shown)[:_IMAGES]:
      start = split.folder / "cases"
      read = lambda path, c=split.cases: image_ops.colorize(
          figures.read(path), c.colors)
      columns.append([
          figures.read(start / f"{i}_image.png"),
          read(start / f"{i}_truth.png"),
          *(read(split.folder / "predictions" /
                 f"{split.cases.methods[m].files[i]}_index.png")
            for m in methods)])
      heads.append("")
    heads[-_IMAGES] = split.name
  rows = [list(row) for row in zip(*columns, strict=True)]
  figure = figures.grid(rows, columns=heads, tile=_TILE,
                        names=["image", "truth", *methods])
  first = splits[0].cases
  return figures.stack([figure, figures.legend(
      first.classes, first.colors, width=figure.shape[1])])


def main(argv):
  del argv
  figures.save(_OUT.value, draw(
      run_folder.read(_WORKDIR.value), _METHODS.value))
  print(_OUT.value)


if __name__ == "__main__":
  app.run(main)

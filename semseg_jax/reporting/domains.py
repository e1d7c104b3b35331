"""One figure of a run: images, truth and each method's labels, by domain."""

import numpy as np

from semseg_jax.evaluation import figures
from semseg_jax.ops import image_ops
from semseg_jax.reporting import run_folder

_IMAGES = 4  # of each split, so that a page shows them large
_TILE = 96


def draw(run: run_folder.Run, methods=()) -> np.ndarray:
  """The first images of every evaluated split of a run, beside each other.

  Args:
    run: from `run_folder.read`.
    methods: rows to show; empty: all.

  Returns uint8 [H, W, 3], a column an image.

  Raises ValueError: no evaluation kept images.
  """
  kept = [(s.name, s.folder, s.cases) for s in run.splits if s.cases]
  if not kept:
    raise ValueError(
        f"{run.folder}: no evaluation kept images; run semseg-jax eval")
  first = kept[0][2]
  methods = list(methods) or list(first.methods)
  columns, heads = [], []
  for name, folder, cases in kept:
    read = lambda path, colors=cases.colors: image_ops.colorize(
        figures.read(path), colors)
    for i in list(cases.shown)[:_IMAGES]:
      start = folder / "cases"
      columns.append([
          figures.read(start / f"{i}_image.png"),
          read(start / f"{i}_truth.png"),
          *(read(folder / "predictions" /
                 f"{cases.methods[m].files[i]}_index.png") for m in methods)])
      heads.append("" if name in heads else name)
  figure = figures.grid(
      [list(row) for row in zip(*columns, strict=True)], columns=heads,
      tile=_TILE, names=["image", "truth", *methods])
  return figures.stack([figure, figures.legend(
      first.classes, first.colors, width=figure.shape[1])])

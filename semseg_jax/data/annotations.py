"""Partial annotations: sampled from whole masks, or read from files.

In a partial annotation 0 is unknown and class c of the data set is c + 1.
"""

import csv
import io
import os
import pathlib

from absl import logging
import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import text_files

KINDS = ("mask", "scribbles", "points")
_DIRECTIONS = 16  # tried for each stroke; the longest is drawn


def partial(label: np.ndarray, kind: str, *, ignore_index: int, strokes: int,
            length: float, seed) -> np.ndarray:
  """What an annotator would draw who does not paint whole regions.

  Args:
    label: integers [H, W], class indices.
    kind: "scribbles" (straight strokes within a class's region, one pixel
      wide) or "points" (single pixels).
    ignore_index: label of pixels that are left unknown.
    strokes: strokes or points per class.
    length: of a stroke at most, as a fraction of the side.
    seed: of the positions; anything `numpy.random.default_rng` takes.

  Returns int32 [H, W]: 0 unknown, c + 1 where class c is marked.
  """
  rng = np.random.default_rng(seed)
  marked = np.zeros(label.shape, np.int32)
  for c in np.unique(label):
    if c == ignore_index:
      continue
    positions = np.argwhere(label == c)
    longest = max(1, round(length * max(label.shape)))
    for start in positions[rng.integers(len(positions), size=strokes)]:
      if kind == "points":
        marked[tuple(start)] = c + 1
      else:
        stroke = _longest_stroke(label == c, start, longest, rng)
        marked[stroke[:, 0], stroke[:, 1]] = c + 1
  return marked


def read_points(path: str | os.PathLike, size: int, num_classes: int
                ) -> dict[str, np.ndarray]:
  """Landmarks of a CSV file as partial annotations.

  The file's columns are image, class, x and y: the name that the result
  gets, a class from 1 on, and the position as fractions of width and height,
  from the upper left corner. A name may have sub-folders. Of marks that lie in
  the same cell the largest class is taken, as in `to_cells`; the others are
  counted in a warning.

  Args:
    size: side of the annotations.
    num_classes: classes there are, unknown included.

  Returns {image: int32 [size, size]}.

  Raises errors.DataError: names the file and line and what is wrong there.
  """
  path = pathlib.Path(path)
  if not path.is_file():
    raise errors.DataError(f"{path}: no such file of landmarks")
  drawn = []
  content = text_files.read_text(path)
  rows = csv.DictReader(io.StringIO(content, newline=""))
  try:
    if not {"image", "class", "x", "y"} <= set(rows.fieldnames or ()):
      raise errors.DataError(
          f"{path}: the first line must name the columns image, class, x "
          f"and y; it is {','.join(rows.fieldnames or ())!r}")
    for row in rows:
      where = f"{path}, line {rows.line_num}"
      name = _name(row["image"], where)
      try:
        c, x, y = int(row["class"]), float(row["x"]), float(row["y"])
      except (TypeError, ValueError):
        raise errors.DataError(
            f"{where}: class must be an integer, x and y numbers; the line is "
            f"{list(row.values())}") from None
      if not (0 < c < num_classes and 0 <= x < 1 and 0 <= y < 1):
        raise errors.DataError(
            f"{where}: class {c} at ({x}, {y}); classes are 1 to "
            f"{num_classes - 1}, x and y fractions in [0, 1)")
      drawn.append((name, int(y * size), int(x * size), c))
  except csv.Error as e:
    raise errors.DataError(
        f"{path}, line {rows.line_num}: no line of a CSV file ({e})") from e
  if not drawn:
    raise errors.DataError(f"{path}: holds no landmark")
  marks = {name: np.zeros((size, size), np.int32) for name, *_ in drawn}
  for name, row, column, c in drawn:
    marks[name][row, column] = max(c, marks[name][row, column])
  if lost := sum(
      c < marks[name][row, column] for name, row, column, c in drawn):
    logging.warning(
        "%s: %d of %d landmarks do not count: they share one of the %d x %d "
        "cells with a landmark of a larger class, which is taken", path, lost,
        len(drawn), size, size)
  return marks


def to_cells(marked: np.ndarray, size: int) -> np.ndarray:
  """Partial annotation [H, W] on `size` x `size` cells, nothing lost.

  A cell takes the largest class marked within it. Thin strokes would fall
  between the pixels that nearest-neighbor resizing picks.
  """
  out = np.zeros((size, size), np.int32)
  rows, columns = np.nonzero(marked)
  height, width = marked.shape
  np.maximum.at(out, (rows * size // height, columns * size // width),
                marked[rows, columns])
  return out


def _name(text, where):
  """An image's name, which files of a folder get, in one spelling."""
  # Knows the separators and roots of all systems.
  path = pathlib.PureWindowsPath(text or "")
  if not path.parts:
    raise errors.DataError(f"{where}: an image without a name ({text!r})")
  if path.anchor or ".." in path.parts or "\0" in text:
    raise errors.DataError(
        f"{where}: image {text!r} leads out of the folder that images are "
        "written to: give names below it")
  return path.as_posix()


def _longest_stroke(region, start, longest, rng):
  """[n, 2] pixels of the longest straight run from `start` in the region."""
  angles = rng.random() * 2 * np.pi + np.linspace(
      0, 2 * np.pi, _DIRECTIONS, endpoint=False)
  best = start[None]
  for angle in angles:
    steps = np.arange(longest)[:, None] * [np.sin(angle), np.cos(angle)]
    line = np.rint(start + steps).astype(np.int64)
    inside = ((line >= 0) & (line < region.shape)).all(1)
    line = line[:inside.argmin() if not inside.all() else None]
    within = region[line[:, 0], line[:, 1]]
    line = line[:within.argmin() if not within.all() else None]
    if len(line) > len(best):
      best = line
  return best

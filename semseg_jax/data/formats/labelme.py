"""LabelMe: one JSON file for an image, beside it or in a folder of its own.

Polygons, rectangles, circles and masks; a later shape covers earlier ones, as
in LabelMe itself. Pixels that no shape covers are background.
"""

import base64
import binascii
import functools
import math
import pathlib

import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import text_files
from semseg_jax.data.formats import contents
from semseg_jax.data.formats import drawing
from semseg_jax.data.formats import image_index

NAME = "labelme"
_POLYGONS = ("polygon", "rotation", "oriented_rectangle")
_LINES = ("line", "linestrip", "point", "points")


def recognises(content) -> bool:
  """Whether the content of a JSON file is LabelMe's."""
  return isinstance(content, dict) and isinstance(content.get("shapes"), list)


def read(root: pathlib.Path, files) -> contents.Annotations:
  """The annotations of a folder.

  Args:
    root: of images and files.
    files: paths of its LabelMe files.

  Raises errors.DataError: names the file and what is wrong with it.
  """
  index = image_index.ImageIndex(root)
  items, labels = {}, []
  for path in files:
    content = text_files.read_json(path)
    name = _image_id(index, path, content)
    if name in items:
      raise errors.DataError(
          f"{path}: a second file of {index.path(name)}, beside "
          f"{items[name].file}")
    labels += [label for label, _ in _shapes(content, path)]
    items[name] = contents.Annotated(
        index.path(name), str(path),
        functools.partial(draw, path, index.path(name)))
  return contents.Annotations(
      NAME, tuple(sorted(contents.ordered(labels))), items)


def draw(path, image, indices) -> np.ndarray:
  """The mask of one LabelMe file, uint8 [H, W].

  Args:
    image: path of its image, for files that do not state its size.
    indices: {label: index}.

  Raises errors.DataError: names the file and what is wrong with it.
  """
  content = text_files.read_json(path)
  with text_files.parsing(f"{path}: not a LabelMe file"):
    shapes = _shapes(content, path)
    canvas = drawing.Canvas(*drawing.stated_size(
        content.get("imageWidth"), content.get("imageHeight"), image),
                                indices, str(path))
    for label, shape in shapes:
      _draw_shape(canvas, label, shape, path)
  return canvas.mask


def _shapes(content, path):
  with text_files.parsing(f"{path}: not a LabelMe file"):
    return [(contents.labeled(s["label"], path), dict(s))
            for s in content["shapes"]]


def _draw_shape(canvas, label, shape, path):
  kind = shape.get("shape_type") or "polygon"
  flat = canvas.points(shape["points"])
  points = list(zip(flat[::2], flat[1::2], strict=True))
  if kind == "mask" and len(points) == 2:
    region = _decoded(shape["mask"], path)
    left, top = (int(round(min(x))) for x in zip(*points, strict=True))
    canvas.place(region, left, top, label)
  elif kind in _POLYGONS and len(points) >= 3:
    canvas.pillow(lambda d, fill: d.polygon(points, fill=fill, outline=fill),
                  label)
  elif kind == "rectangle" and len(points) in (2, 4):
    xs, ys = zip(*points, strict=True)
    corners = (min(xs), min(ys), max(xs), max(ys))
    canvas.pillow(lambda d, fill: d.rectangle(
        corners, fill=fill, outline=fill), label)
  elif kind == "circle" and len(points) == 2:
    (x, y), edge = points
    r = math.dist((x, y), edge)
    corners = (x - r, y - r, x + r, y + r)
    canvas.pillow(lambda d, fill: d.ellipse(
        corners, fill=fill, outline=fill), label)
  elif kind in _LINES:
    raise errors.DataError(
        f"{path}: a {kind} ({label}) encloses no area: draw a polygon, a "
        "rectangle, a circle or a mask instead")
  else:
    raise errors.DataError(
        f"{path}: a {kind} of {len(points)} points ({label}): use polygons "
        "of three points or more, rectangles, circles or masks")


def _decoded(text, path):
  try:
    content = base64.b64decode(text, validate=True)
  except (binascii.Error, TypeError, ValueError) as e:
    raise errors.DataError(f"{path}: a mask that cannot be read ({e})") from e
  return image_files.decode_binary(content, f"{path}: a mask")


def _image_id(index, path, content):
  """The id of the image that a file belongs to."""
  named = str(content.get("imagePath") or "").replace("\\", "/")
  candidates = []
  if named:
    candidates.append(path.parent / pathlib.PurePosixPath(named).name)
  if named and ":" not in named and not named.startswith("/"):
    candidates.insert(0, path.parent / named)
  stems = [s for s in (path.stem, pathlib.PurePosixPath(named).stem) if s]
  return index.match(
      path, candidates, stems, f"belongs to {named or path.stem!r}")

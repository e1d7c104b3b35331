"""CVAT's XML ("CVAT for images"): one file for all images.

Polygons, boxes, ellipses and masks; shapes cover each other by their z order.
"""

import functools
import pathlib

import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import text_files
from semseg_jax.data.formats import contents
from semseg_jax.data.formats import drawing
from semseg_jax.data.formats import image_index

NAME = "cvat"
_SHAPES = ("polygon", "box", "ellipse", "mask")
_LINES = ("polyline", "points", "cuboid", "skeleton")


def recognises(root) -> bool:
  """Whether the root of an XML file is CVAT's."""
  return root.tag == "annotations" and root.find("image") is not None


def read(root: pathlib.Path, files) -> contents.Annotations:
  """The annotations of a folder; see `labelme.read`."""
  index = image_index.ImageIndex(root)
  items, labels, colors, splits = {}, [], {}, {}
  for path in files:
    tree = text_files.read_xml(path)
    for label in tree.iter("label"):
      name = label.findtext("name")
      if name:
        labels.append(name)
        colors |= _color(name, label.findtext("color"))
    for image in tree.iter("image"):
      name = _image_id(index, path, image.get("name") or "")
      if name in items:
        raise errors.DataError(
            f"{path}: {index.path(name)} stands there twice, or in "
            f"{items[name].file} too")
      where = f"{path}, image {image.get('name')}"
      labels += [contents.labeled(s.get("label"), where) for s in image
                 if s.tag in (*_SHAPES, *_LINES)]
      items[name] = contents.Annotated(
          index.path(name), str(path), functools.partial(_draw, where, image))
      split = contents.SPLITS.get((image.get("subset") or "").lower())
      splits.setdefault(split, []).append(name)
  given = {k: tuple(v) for k, v in splits.items() if k}
  if None in splits or len(given) < 2:
    given = {}
  return contents.Annotations(
      NAME, contents.ordered(labels), items, given, colors)


def _draw(where, image, indices) -> np.ndarray:
  canvas = drawing.Canvas(
      image.get("width"), image.get("height"), indices, where)
  shapes = [s for s in image if s.tag in (*_SHAPES, *_LINES)]
  with text_files.parsing(f"{where}: not CVAT's XML"):
    for shape in sorted(shapes, key=lambda s: int(s.get("z_order") or 0)):
      _draw_shape(canvas, shape, where)
  return canvas.mask


def _draw_shape(canvas, shape, where):
  label = shape.get("label")
  number = lambda name: float(shape.get(name))
  if shape.tag in _LINES:
    raise errors.DataError(
        f"{where}: a {shape.tag} ({label}) encloses no area: draw a polygon, a "
        "box, an ellipse or a mask instead")
  if number_of_turn := float(shape.get("rotation") or 0):
    raise errors.DataError(
        f"{where}: a {shape.tag} ({label}) turned by {number_of_turn} degrees: "
        "draw a polygon instead")
  if shape.tag == "polygon":
    points = canvas.points(
        [p.split(",") for p in shape.get("points").split(";") if p.strip()])
    if len(points) < 6:
      raise errors.DataError(
          f"{where}: a polygon of less than three points ({label})")
    canvas.polygons([points], label)
  elif shape.tag == "box":
    canvas.box(*canvas.points(
        [number(n) for n in ("xtl", "ytl", "xbr", "ybr")]), label)
  elif shape.tag == "ellipse":
    canvas.ellipse(*canvas.points(
        [number(n) for n in ("cx", "cy", "rx", "ry")]), label)
  else:
    canvas.place(_mask(canvas, shape, where), int(number("left")),
                 int(number("top")), label)


def _mask(canvas, shape, where):
  """CVAT's run lengths, along rows within the shape's box."""
  width, height = int(shape.get("width")), int(shape.get("height"))
  if not (0 < width <= canvas.width and 0 < height <= canvas.height):
    raise errors.DataError(
        f"{where}: a mask of {width} x {height} pixels in an image of "
        f"{canvas.width} x {canvas.height}")
  runs = [int(x) for x in shape.get("rle").split(",") if x.strip()]
  return drawing.run_lengths(runs, width, height, where).T


def _image_id(index, path, name):
  relative = text_files.relative(name, str(path))
  folders = (index.folder, path.parent, path.parent / "images")
  return index.match(path, (f / relative for f in folders),
                     [relative.with_suffix("").as_posix()], f"names {name!r}")


def _color(name, text):
  text = (text or "").removeprefix("#")
  try:
    return {name: tuple(bytes.fromhex(text))} if len(text) == 6 else {}
  except ValueError:
    return {}

"""PASCAL VOC-style exports: masks in VOC's colors, or XML of an image each.

  JPEGImages/<id>.jpg  SegmentationClass/<id>.png  labelmap.txt
  ImageSets/Segmentation/{train,val,test}.txt
  Annotations/<id>.xml  (polygons or boxes, where there are no masks)
"""

import functools
import pathlib

import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import text_files
from semseg_jax.data.formats import contents
from semseg_jax.data.formats import drawing
from semseg_jax.data.formats import image_index

NAME = "voc"


def recognises(root) -> bool:
  """Whether the root of an XML file is VOC's."""
  return root.tag == "annotation" and root.find("size") is not None


def label_map(path: pathlib.Path) -> dict[str, tuple[int, int, int]]:
  """{class: color} of CVAT's labelmap.txt (name:r,g,b:parts:actions)."""
  colors = {}
  try:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
  except (OSError, UnicodeDecodeError) as e:
    raise errors.DataError(f"{path}: cannot be read ({e})") from e
  for number, line in enumerate(lines):
    if not line.strip() or line.startswith("#"):
      continue
    name, _, rest = line.partition(":")
    try:
      color = tuple(int(x) for x in rest.partition(":")[0].split(","))
      if len(color) != 3 or not all(0 <= c <= 255 for c in color):
        raise ValueError
    except ValueError:
      raise errors.DataError(
          f"{path}, line {number + 1}: {line!r} is not name:r,g,b") from None
    colors[name] = color
  return colors


def lists(root: pathlib.Path) -> dict[str, pathlib.Path]:
  """{split: file} of ImageSets, where all three or train and val are there."""
  folder = root / "ImageSets" / "Segmentation"
  files = {split: path for name, split in contents.SPLITS.items()
           if (path := folder / f"{name}.txt").is_file()}
  return files if len(files) > 1 else {}


def read(root: pathlib.Path, files) -> contents.Annotations:
  """The annotations of XML files; see `labelme.read`."""
  index = image_index.ImageIndex(root)
  items, labels, boxes = {}, [], 0
  for path in files:
    tree = text_files.read_xml(path)
    name = _image_id(index, path, tree)
    if name in items:
      raise errors.DataError(
          f"{path}: a second file of {index.path(name)}, beside "
          f"{items[name].file}")
    labels += [contents.labeled(o.findtext("name"), path)
               for o in tree.iter("object")]
    boxes += sum(o.find("polygon") is None for o in tree.iter("object"))
    items[name] = contents.Annotated(
        index.path(name), str(path), functools.partial(_draw, str(path), tree))
  notes = [f"{boxes} objects have a box alone, which is filled as a rectangle"
           ] if boxes else []
  return contents.Annotations(
      NAME, tuple(sorted(contents.ordered(labels))), items, notes=notes)


def _draw(where, tree, indices) -> np.ndarray:
  size = tree.find("size")
  canvas = drawing.Canvas(
      size.findtext("width"), size.findtext("height"), indices, where)
  with text_files.parsing(f"{where}: not VOC's XML"):
    for thing in tree.iter("object"):
      _draw_object(canvas, thing, where)
  return canvas.mask


def _draw_object(canvas, thing, where):
  label, polygon = thing.findtext("name"), thing.find("polygon")
  if polygon is None:
    box = thing.find("bndbox")
    if box is None:
      raise errors.DataError(
          f"{where}: object {label!r} has neither a polygon nor a box")
    left, top, right, bottom = canvas.points(
        [float(box.findtext(n)) for n in ("xmin", "ymin", "xmax", "ymax")])
    canvas.box(left, top, right, bottom, label)
    return
  values = {e.tag: float(e.text) for e in polygon if e.tag[:1] in "xy"
            and e.tag[1:].isdigit()}
  if values:  # x1, y1, x2, ...
    points = [(values[f"x{n}"], values[f"y{n}"])
              for n in sorted(int(k[1:]) for k in values if k[0] == "x")]
  else:  # LabelMe's older XML: <pt><x/><y/></pt>
    points = [(float(p.findtext("x")), float(p.findtext("y")))
              for p in polygon.iter("pt")]
  flat = canvas.points(points)
  if len(flat) < 6:
    raise errors.DataError(
        f"{where}: a polygon of less than three points ({label})")
  canvas.polygons([flat], label)


def _image_id(index, path, tree):
  named = tree.findtext("filename") or path.stem
  relative = text_files.relative(named, str(path))
  return index.match(
      path, (f / relative for f in (path.parent, index.folder)),
      (relative.with_suffix("").as_posix(), relative.as_posix(), path.stem),
      f"belongs to {named!r}")

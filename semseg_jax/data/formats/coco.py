"""COCO: JSON files with images, categories and annotations.

Polygons and run lengths, as text or numbers. Annotations that overlap cover
each other in their order; regions marked as crowds come first. An annotation
with a box alone is filled as a rectangle, which is said.
"""

import collections
import functools
import pathlib
import re

from semseg_jax.data import errors
from semseg_jax.data import text_files
from semseg_jax.data.formats import contents
from semseg_jax.data.formats import drawing
from semseg_jax.data.formats import image_index

NAME = "coco"


def recognises(content) -> bool:
  """Whether the content of a JSON file is COCO's."""
  return isinstance(content, dict) and all(
      isinstance(content.get(k), list) for k in ("images", "categories")
      ) and isinstance(content.get("annotations", []), list)


def read(root: pathlib.Path, files) -> contents.Annotations:
  """The annotations of a folder.

  Args:
    root: of images and files.
    files: paths of its COCO files; each may be a split.

  Raises errors.DataError: names the file and what is wrong with it.
  """
  index = image_index.ImageIndex(root)
  items, splits, labels, notes = {}, {}, [], []
  for path in files:
    content = text_files.read_json(path)
    with text_files.parsing(f"{path}: not a COCO file"):
      names, boxes, empty = _read_one(path, content, index, items, labels)
    if boxes:
      notes.append(f"{path.name}: {boxes} annotations have a box alone, which "
                   "is filled as a rectangle")
    if empty:
      notes.append(f"{path.name}: {empty} of {len(names)} images have no "
                   "annotation: all of them is background")
    split = _split_of(path)
    splits.setdefault(split, []).extend(names)
  given = {k: tuple(v) for k, v in splits.items() if k}
  if len(given) < 2 or "" in splits:
    given = {}
  return contents.Annotations(
      NAME, contents.ordered(labels), items, given, notes=notes)


def _read_one(path, content, index, items, labels):
  """Adds a file's images to `items`; (ids, boxes, images without any)."""
  categories = {_id(c["id"]): str(c["name"]) for c in sorted(
      content["categories"], key=lambda c: (len(_id(c["id"])), _id(c["id"])))}
  if len(categories) < len(content["categories"]):
    raise errors.DataError(f"{path}: two categories share an id")
  labels += [contents.labeled(x, path) for x in categories.values()]
  of_image = collections.defaultdict(list)
  boxes = 0
  for number, a in enumerate(content.get("annotations", [])):
    if _id(a["category_id"]) not in categories:
      raise errors.DataError(
          f"{path}: annotation {a.get('id', number)} is of category "
          f"{a['category_id']}, which the file does not list")
    of_image[_id(a["image_id"])].append(a)
    boxes += not a.get("segmentation")
  known = {}
  for image in content["images"]:
    if _id(image["id"]) in known:
      raise errors.DataError(f"{path}: two images have the id {image['id']}")
    name = _image_id(index, path, str(image["file_name"]))
    if name in items:
      who = ("it lists twice" if name in known.values()
             else f"{items[name].file} lists too")
      raise errors.DataError(f"{path}: lists {index.path(name)}, which {who}")
    known[_id(image["id"])] = name
    items[name] = contents.Annotated(
        index.path(name), str(path), functools.partial(
            _draw, f"{path}, image {image['file_name']}", index.path(name),
            image.get("width"), image.get("height"), of_image[_id(image["id"])],
            categories))
  stray = set(of_image) - set(known)
  if stray:
    raise errors.DataError(
        f"{path}: annotations of image {min(stray)}, which the file "
        "does not list")
  empty = sum(not of_image[i] for i in known)
  return list(known.values()), boxes, empty


def _draw(where, file, width, height, shapes, categories, indices):
  canvas = drawing.Canvas(
      *drawing.stated_size(width, height, file), indices, where)
  size = canvas.height, canvas.width
  for a in sorted(shapes, key=lambda a: not a.get("iscrowd")):
    label, drawn = categories[_id(a["category_id"])], a.get("segmentation")
    what = f"{where}, annotation {a.get('id', '?')}"
    with text_files.parsing(
        f"{what}: neither polygons nor run lengths nor a box"):
      if isinstance(drawn, dict):
        if tuple(drawn["size"]) != size:
          raise errors.DataError(
              f"{what}: run lengths of {drawn['size']} rows and columns, but "
              f"the image has {list(size)}")
        canvas.fill(drawing.run_lengths(
            drawn["counts"], *size, what), label)
      elif drawn:
        polygons = [canvas.points(p) for p in drawn]
        if any(len(p) < 6 for p in polygons):
          raise errors.DataError(
              f"{what}: a polygon of less than three points")
        canvas.polygons(polygons, label)
      else:
        if turn := (a.get("attributes") or {}).get("rotation"):
          raise errors.DataError(
              f"{what}: a box turned by {turn} degrees: draw a polygon instead")
        x, y, w, h = canvas.points(a["bbox"])
        canvas.box(x, y, x + w, y + h, label)
  return canvas.mask


def _id(value):
  """An id as text: some tools write 7, "7" and 7.0 in one file."""
  if isinstance(value, float) and value.is_integer():
    value = int(value)
  return str(value)


def _image_id(index, path, file_name):
  relative = text_files.relative(file_name, str(path))
  near = (
      path.parent / path.stem, path.parent, path.parent.parent,
      path.parent / "images",
      # train2017 of instances_train2017.json
      path.parent.parent / path.stem.rpartition("_")[2])
  return index.match(path, (f / relative for f in (index.folder, *near)),
                     [relative.with_suffix("").as_posix()],
                     f"lists {file_name!r}")


def _split_of(path):
  """The split that a file's name, or its folder's, says; "" if none."""
  for text in (path.stem, path.parent.name):
    for word in re.split(r"[^a-z]+", text.lower()):
      if word in contents.SPLITS:
        return contents.SPLITS[word]
  return ""

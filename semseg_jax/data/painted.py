"""Masks that a person painted beside the images of one folder.

  0000.png  the image          0000_mask.png  class indices or colors, or
  classes.json                   0000.json      LabelMe polygons

`classes.json` names the classes and says how masks are drawn as in the `folder`
layout; the first class is what no polygon covers. LabelMe's `__ignore__` is the
ignore index.
"""

from collections.abc import Sequence
import hashlib
import pathlib

import numpy as np

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import mask_files
from semseg_jax.data import readers
from semseg_jax.data import sources
from semseg_jax.data import text_files
from semseg_jax.data.formats import contents
from semseg_jax.data.formats import image_index
from semseg_jax.data.formats import labelme
from semseg_jax.data.sets import folder as folder_layout

_MASK = "_mask.png"


def spec(folder, num_classes: int) -> datasets.Spec:
  """Names and colors of the classes of a painted folder.

  Raises errors.DataError: classes.json is missing, broken, or names another
  number of classes.
  """
  layout_spec = folder_layout.read_spec("shots", pathlib.Path(folder))
  if layout_spec.num_classes != num_classes:
    raise errors.DataError(
        f"config.data.num_classes is {num_classes}, but {folder}/classes.json "
        f"names {layout_spec.num_classes}: "
        f"{', '.join(layout_spec.class_names)}")
  return layout_spec


def names(folder) -> tuple[str, ...]:
  """Names of the images that have a mask, in order.

  Raises errors.DataError: no such folder, a mask without its image, or two
  masks of one image.
  """
  folder = pathlib.Path(folder)
  if not folder.is_dir():
    raise errors.DataError(f"{folder}: no such folder of painted images")
  for path in sorted(image_index.visible(folder, "*")):
    if (path.stem.lower().endswith("_mask") and not path.name.endswith(_MASK)
        and path.suffix.lower() in image_index.ENDINGS):
      raise errors.DataError(
          f"{path}: masks are read from <name>{_MASK} alone: save it as that, "
          "or remove it")
  indexed = {p.name.removesuffix(_MASK)
             for p in image_index.visible(folder, f"*{_MASK}")}
  polygons = {p.stem for p in image_index.visible(folder, "*.json")
              if _is_labelme(p)}
  for name in sorted(indexed & polygons):
    raise errors.DataError(
        f"{folder}: {name} has two masks, {name}{_MASK} and {name}.json: "
        "remove one")
  for name in sorted(indexed | polygons):
    if not (folder / f"{name}.png").exists():
      raise errors.DataError(
          f"{folder}: a mask of {name}, but no image {name}.png")
  return tuple(sorted(indexed | polygons))


def digest(folder) -> str:
  """Digits that change with a mask or with the classes; "" of no folder.

  Not with images that nobody has painted yet.
  """
  folder = pathlib.Path(folder)
  hashed = hashlib.sha256()
  for path in sorted(p for pattern in (f"*{_MASK}", "*.json", "masks/*")
                     for p in image_index.visible(folder, pattern)
                     if p.is_file()):
    hashed.update(path.name.encode() + b"\0" + path.read_bytes())
  return hashed.hexdigest() if folder.is_dir() else ""


def read(folder, name: str, spec: datasets.Spec, *,
         ignore_index: int | None = None) -> sources.Example:
  """{"image": uint8 [H, W, C], "label": uint8 [H, W], "id"} of one image.

  Args:
    folder, name: of the image.
    spec: of the folder.
    ignore_index: what pixels get that do not count, where others expect another
      value than the folder's classes.json names; None: that value.

  Raises errors.DataError: a file is missing or broken, image and mask differ in
  size, or the mask holds a value or a color of no class.
  """
  folder = pathlib.Path(folder)
  image = readers.image(str(folder / f"{name}.png"), spec.channels)
  path = folder / f"{name}{_MASK}"
  if path.exists():
    label = mask_files.read(
        image_files.read_bytes(path), folder_layout.read_legend(folder, spec),
        str(path))
  elif (path := folder / f"{name}.json").exists():
    label = labelme.draw(path, str(folder / f"{name}.png"), (
        contents.indices(spec.class_names, spec.ignore_index)))
  else:
    raise errors.DataError(
        f"{folder}: image {name}.png has no mask: paint {name}{_MASK} or "
        f"save LabelMe's {name}.json")
  if label.shape != image.shape[:2]:
    raise errors.DataError(
        f"{path}: {label.shape[1]} x {label.shape[0]} pixels, but {name}.png "
        f"has {image.shape[1]} x {image.shape[0]}: paint at the image's size")
  if ignore_index is not None:
    label = np.where(
        label == spec.ignore_index, ignore_index, label).astype(np.uint8)
  return {"image": image, "label": label, "id": name}


def _is_labelme(path):
  """Whether a JSON file is LabelMe's, told from others of the folder."""
  return labelme.recognises(text_files.read_json(path))


def read_all(folder, names: Sequence[str], spec: datasets.Spec, *,
             ignore_index: int | None = None) -> list[sources.Example]:
  """`read` of several images.

  Raises errors.DataError: as there, or the masks of two classes hold nothing
  but the first one and what is ignored, as those of 0 and 255 do.
  """
  examples = [read(folder, name, spec, ignore_index=ignore_index)
              for name in names]
  ignored = spec.ignore_index if ignore_index is None else ignore_index
  values = set().union(*(np.unique(x["label"]).tolist() for x in examples))
  if spec.num_classes == 2 and values == {0, ignored}:
    raise errors.DataError(
        f"{folder}: the masks hold 0 and {spec.ignore_index} alone, and "
        f"{spec.ignore_index} means ignored: paint class "
        f"{spec.class_names[1]!r} in its colour or with the value 1")
  return examples

"""Which annotations a folder holds: mask files, or a tool's JSON or XML."""

import os
import pathlib

from semseg_jax.data import errors
from semseg_jax.data.formats import annotations
from semseg_jax.data.formats import coco
from semseg_jax.data.formats import cvat
from semseg_jax.data.formats import image_index
from semseg_jax.data.formats import labelme
from semseg_jax.data.formats import voc

_MASKS = ("masks", "segmentationclass", "segmentationclasspng", "labels",
          "annotations", "mask", "label")
_OURS = ("classes.json", "volumes.json")
_JSON = (labelme, coco)
_XML = (cvat, voc)


def mask_folder(root: pathlib.Path) -> pathlib.Path | None:
  """The folder of a data set that holds mask files, if there is one."""
  for name in _MASKS:
    folder = image_index.subfolder(root, (name,))
    if folder and (name == "masks" or image_index.listing(folder)):
      return folder
  return None


def others(root: pathlib.Path) -> list[pathlib.Path]:
  """JSON and XML files that are annotations of no format."""
  return [p for p in _files(root, (".json", ".xml")) if _kind(p) is None]


def refuse_parts(root: pathlib.Path) -> None:
  """Raises where each part of a set has folders of images and of masks."""
  for part in sorted(root.iterdir()):
    masks = mask_folder(part)
    images = image_index.ImageIndex(part).folder
    if masks and images != part:
      raise errors.DataError(
          f"{masks}: masks below a part of the data set; move "
          f"{part.name}/{images.name} to images/{part.name} and "
          f"{part.name}/{masks.name} to masks/{part.name}, and the others "
          "likewise")


def find(root: pathlib.Path) -> annotations.Annotations | None:
  """The annotations of a folder without mask files; None: there are none.

  Raises errors.DataError: names a file that is broken, or two formats.
  """
  by_format = {}
  for path in _files(root, (".json", ".xml")):
    kind = _kind(path)
    if kind is not None:
      by_format.setdefault(kind, []).append(path)
  if len(by_format) > 1:
    first, second, *_ = by_format.items()
    raise errors.DataError(
        f"{root}: annotations of two kinds, {first[0].NAME} ({first[1][0]}) "
        f"and {second[0].NAME} ({second[1][0]}): remove one of them")
  for kind, files in by_format.items():
    return kind.read(root, files)
  return None


def _kind(path):
  if path.suffix.lower() == ".json":
    content, kinds = annotations.read_json(path), _JSON
  else:
    content, kinds = annotations.read_xml(path), _XML
  return next((k for k in kinds if k.recognises(content)), None)


def _files(root, endings):
  for here, folders, names in os.walk(root, followlinks=True):
    folders[:] = sorted(
        f for f in folders if not f.startswith(".") and f != "splits")
    for name in sorted(names):
      if name.lower().endswith(endings) and not name.startswith(".") and (
          name not in _OURS):
        yield pathlib.Path(here) / name

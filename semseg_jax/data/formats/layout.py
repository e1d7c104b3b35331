"""Which annotations a folder holds: mask files, or a tool's JSON or XML."""

import os
import pathlib
import re

from semseg_jax.data import errors
from semseg_jax.data import text_files
from semseg_jax.data.formats import coco
from semseg_jax.data.formats import contents
from semseg_jax.data.formats import cvat
from semseg_jax.data.formats import image_index
from semseg_jax.data.formats import labelme
from semseg_jax.data.formats import voc

# What some tools append to the name of a mask.
_SUFFIXES = ("", "_mask", "_label", "_labels", "_seg", "_segmentation", "_gt")
_PHOTOGRAPHS = (".heic", ".heif", ".avif", ".jp2", ".jxl", ".dng", ".cr2",
                ".nef", ".arw", ".psd", ".exr", ".npy")
_OURS = ("classes.json", "volumes.json")
_JSON = (labelme, coco)
_XML = (cvat, voc)


def mask_folder(root: pathlib.Path) -> pathlib.Path | None:
  """The folder of a data set that holds mask files, if there is one.

  It is `root` itself where there are train_masks beside train_images.
  """
  for name in image_index.MASKS:
    folder = image_index.subfolder(root, (name,))
    if folder and image_index.listing(folder):
      return folder
  return root if any(image_index.listing(masks) for _, masks in (
      image_index.mask_parts(root))) else None


def masks_by_id(root: pathlib.Path, folder: pathlib.Path | None
                ) -> dict[str, list[str]]:
  """{id: paths} of the files in a `mask_folder`, by the ids of the images."""
  if folder is None or folder != root:
    return image_index.listing(folder) if folder else {}
  return {f"{images.name}/{name}": paths
          for images, masks in image_index.mask_parts(root)
          for name, paths in image_index.listing(masks).items()}


def masks_of(masks, name: str) -> list[str]:
  """Files of an image's mask in the `image_index.listing` of a folder."""
  return [file for x in _with_suffixes(name) for file in masks.get(x, ())]


def unread(root: pathlib.Path, index: image_index.ImageIndex
           ) -> list[pathlib.Path]:
  """Files that look like photographs or annotations and are read as neither.

  JSON and XML files of no format, and what is called as an image is, or as
  photographs are.
  """
  stems = {pathlib.PurePosixPath(x).name for x in index.ids}
  return [p for p in _files(root, ("",)) if (
      p.suffix.lower() in _PHOTOGRAPHS
      or (p.suffix.lower() in (".json", ".xml") and not _known(p))
      or (p.stem in stems and p.suffix.lower() not in (
          *image_index.ENDINGS, ".json", ".xml")))]


def refuse_masks_among(root: pathlib.Path, index: image_index.ImageIndex
                       ) -> None:
  """Raises where a folder of images holds their masks, too."""
  for name in index.ids:
    endings = [pathlib.PurePath(x).suffix.lower() for x in index.files(name)]
    if endings in ([".jpg", ".png"], [".jpeg", ".png"]) and not (
        mask_folder(root)):
      image, mask = index.files(name)
      raise errors.DataError(
          f"{mask}: looks like the mask of {image}; move all masks to "
          f"{root / 'masks'}, or remove one of the two")
    for other in _with_suffixes(name)[1:]:
      if other in index:
        raise errors.DataError(
            f"{index.path(other)}: looks like the mask of {index.path(name)}; "
            f"move all masks to {root / 'masks'}, or rename what is none")


def could_be_masks(root: pathlib.Path, index: image_index.ImageIndex) -> str:
  """What looks like the masks of a folder without known ones; "" if nothing."""
  hints = []
  stems = {pathlib.PurePosixPath(x).name for x in index.ids}
  for folder in sorted(pathlib.Path(here) / name
                       for here, names, _ in os.walk(root) for name in names):
    known = folder.name.lower() in image_index.MASKS
    beside = folder.parent == root and index.folder not in (root, folder)
    if not known and not beside:
      continue
    files = image_index.listing(folder)
    alike = stems & {pathlib.PurePosixPath(x).name for x in files}
    if known and not files:
      hints.append(f"{folder} holds no image files")
    elif 2 * len(alike) > len(stems):
      hints.append(f"{folder} has files of the images' names: if these are "
                   f"masks, move them to {root / 'masks'}")
  if pair := _pair(index.ids):
    image, mask = (index.files(x)[0] for x in pair)
    hints.append(f"if {mask} is the mask of {image}, move all masks to "
                 f"{root / 'masks'}")
  return "; ".join(hints)


def _pair(ids):
  """Ids of an image and, as it seems, its mask: of a tenth of all or more."""
  known, first, pairs = set(ids), {}, []
  for name in ids:
    folder, _, stem = name.rpartition("/")
    other = re.sub("[-_][A-Za-z]+$", "", name)
    if other == name or other not in known:
      other = first.setdefault(stem, name)
    if other != name:
      pairs.append((other, name))
  return pairs[0] if len(pairs) > len(ids) // 10 else None


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


def find(root: pathlib.Path) -> contents.Annotations | None:
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


def kinds(root: pathlib.Path) -> list[str]:
  """Names of the formats of which there are annotations."""
  return sorted({_known(p) for p in _files(root, (".json", ".xml"))} - {""})


def _known(path):
  """Name of a file's format; "" if it is none or broken."""
  try:
    kind = _kind(path)
  except errors.DataError:
    return ""
  return kind.NAME if kind else ""


def _kind(path):
  if path.suffix.lower() == ".json":
    content, kinds = text_files.read_json(path), _JSON
  else:
    content, kinds = text_files.read_xml(path), _XML
  return next((k for k in kinds if k.recognises(content)), None)


def _with_suffixes(name):
  return [f"{name}{suffix}" for suffix in _SUFFIXES]


def _files(root, endings):
  for here, folders, names in os.walk(root, followlinks=True):
    folders[:] = sorted(
        f for f in folders if not f.startswith(".") and f != "splits")
    for name in sorted(names):
      if name.lower().endswith(endings) and not name.startswith(".") and (
          name not in _OURS):
        yield pathlib.Path(here) / name

"""The image files of a folder by id: the path below it, without the ending."""

from collections.abc import Iterator
import os
import pathlib
import unicodedata

from semseg_jax.data import errors

ENDINGS = (".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".bmp", ".webp",
           ".gif", ".ppm", ".pgm", ".pbm")
# Folders of masks, the one that is taken first in front.
MASKS = ("masks", "segmentationclass", "segmentationclasspng", "labels",
         "annotations", "mask", "label", "gt", "gts", "ground_truth",
         "groundtruth")
# Folders of a data set that hold no photographs.
_OTHER = {*MASKS, "splits", "segmentationobject", "imagesets", "masks59",
          "visualization", "segmentationclassvisualization"}
_IMAGES = ("images", "jpegimages", "image", "imgs", "img")


def visible(folder: pathlib.Path, pattern: str) -> Iterator[pathlib.Path]:
  """What a glob pattern matches, without hidden files: macOS leaves a ._<name>
  beside each file of an archive."""
  return (p for p in folder.glob(pattern) if not p.name.startswith("."))


def subfolder(root: pathlib.Path, names) -> pathlib.Path | None:
  """The first of the lower-case `names` that is a folder, in any case."""
  folders = {p.name.lower(): p for p in sorted(root.iterdir(), reverse=True)
             if p.is_dir()} if root.is_dir() else {}
  return next((folders[n] for n in names if n in folders), None)


def mask_parts(root: pathlib.Path) -> list[tuple[pathlib.Path, pathlib.Path]]:
  """(X_images, X_masks) of a folder, such as train_images and train_masks."""
  if subfolder(root, (*_IMAGES, *MASKS)):
    return []
  pairs = ((subfolder(root, (f"{p.name[:-7].lower()}_masks",)), p)
           for p in sorted(root.glob("*_[iI][mM][aA][gG][eE][sS]")))
  return [(images, masks) for masks, images in pairs if masks]


class ImageIndex:
  """The image files below a folder; ids are NFC, endings of any case.

  `images` of the root (or img, JPEGImages, in any case) where there is such a
  folder, else the root without folders of masks, lists and annotations.
  """

  def __init__(self, root: pathlib.Path):
    root = pathlib.Path(root)
    self.folder = subfolder(root, _IMAGES) or root
    without = () if self.folder != root else {
        *_OTHER, *(p.name.lower() for _, p in mask_parts(root))}
    self._files = listing(self.folder, without)
    self._ids = {
        _same(f): name for name, files in self._files.items() for f in files}

  def __contains__(self, name: str) -> bool:
    return name in self._files

  @property
  def ids(self) -> tuple[str, ...]:
    """All ids, sorted."""
    return tuple(sorted(self._files))

  def files(self, name: str) -> list[str]:
    """All files of an id, sorted."""
    return self._files[name]

  def path(self, name: str) -> str:
    """The one file of an id.

    Raises errors.DataError: there are two.
    """
    return only(self._files[name], name)

  def id_of(self, path) -> str | None:
    """The id of an image file of the folder; None if it is none."""
    return self._ids.get(_same(path))

  def match(self, where, paths, tails, stated: str) -> str:
    """The id of the first of `paths` that is an image of the folder, else of
    the first of `tails` that fits one (`ending_with`).

    Raises errors.DataError: there is none; `where` has `stated` it.
    """
    for path in paths:
      if (name := self.id_of(path)) is not None:
        return name
    for tail in tails:
      for name in self.ending_with(where, tail):
        return name
    raise errors.DataError(
        f"{where}: {stated}, but there is no such image in {self.folder}")

  def ending_with(self, where, tail: str) -> tuple[str, ...]:
    """The one id that is `tail` or ends with /`tail`, if there is one.

    Raises errors.DataError: there are several.
    """
    tail = unicodedata.normalize("NFC", tail)
    names = [n for n in self._files if n == tail or n.endswith(f"/{tail}")]
    if len(names) > 1:
      raise errors.DataError(
          f"{where}: {tail!r} could be {self.path(names[0])} or "
          f"{self.path(names[1])}")
    return tuple(names)


def listing(folder: pathlib.Path, without=()) -> dict[str, list[str]]:
  """{id: paths} of all image files below a folder.

  Raises errors.DataError: a name is not UTF-8.
  """
  files = {}
  for here, folders, names in os.walk(folder, followlinks=True):
    folders[:] = sorted(
        f for f in folders if not f.startswith(".") and not (
            # <image>_json: a mask and its image, as LabelMe exported them.
            without and (f.lower() in without or f.endswith("_json"))))
    below = os.path.relpath(here, folder).replace(os.sep, "/")
    prefix = "" if below == "." else f"{below}/"
    for name in sorted(names):
      stem, ending = os.path.splitext(name)
      if ending.lower() in ENDINGS and not name.startswith("."):
        if wrong := errors.misnamed(f"{prefix}{name}"):
          raise errors.DataError(f"{folder}: {wrong}")
        key = unicodedata.normalize("NFC", f"{prefix}{stem}")
        files.setdefault(key, []).append(os.path.join(here, name))
  return files


def find(files, folder, name: str, list_file) -> str:
  """The one file of an id in the `listing` of a folder.

  Raises errors.DataError: there is none, or there are two.
  """
  if name not in files:
    raise errors.DataError(
        f"{list_file}: lists {name!r}, but there is no file "
        f"{pathlib.Path(folder) / name}{{{','.join(ENDINGS[:5])}, ...}}")
  return only(files[name], name)


def only(files, name: str) -> str:
  """The one file of an id, or an error that names two."""
  if len(files) > 1:
    raise errors.DataError(
        f"{files[0]} and {files[1]} are both {name!r}: remove or rename one")
  return files[0]


def _same(path):
  """A path by which two spellings of one file are equal."""
  return unicodedata.normalize("NFC", os.path.normpath(os.path.abspath(path)))

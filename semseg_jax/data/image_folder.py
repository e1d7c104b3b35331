"""Image files (a folder, a pattern, a list) as an unlabeled source."""

import glob
import os
import pathlib
import unicodedata
import zlib

from absl import logging

from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import sources
from semseg_jax.data.formats import image_index


class ImageFiles:
  """Some image files in the given order.

  Ids are their paths without the ending below a folder that was named or, where
  one lies elsewhere, below the one that all are in.
  Files are read when asked for; `__getitem__` raises `errors.DataError` naming
  a file that is broken or whose name is not UTF-8, and gives besides the image
  what `changed` takes, as "file".
  """
  labeled = False

  def __init__(self, files, channels: int, root):
    """files: `pathlib.Path`s, at least one; channels: 3 (RGB) or 1 (gray);
    root: the folder that was named."""
    self._files = files
    top = os.path.commonpath([os.path.abspath(f.parent) for f in files])
    # Ids below it stay where images of other folders are added.
    if pathlib.PurePath(top).is_relative_to(root := os.path.abspath(root)):
      top = root
    below = [os.path.relpath(f, top) for f in files]
    self._misnamed = {
        i: wrong for i, x in enumerate(below) if (wrong := errors.misnamed(x))}
    # An id is written into files: what is not UTF-8 stands as \xe9 there.
    self.ids = tuple(unicodedata.normalize("NFC", os.fsencode(
        pathlib.PurePath(x).with_suffix("").as_posix()).decode(
            errors="backslashreplace")) for x in below)
    seen = {}
    for name, file in zip(self.ids, self._files, strict=True):
      if name in seen:
        raise errors.DataError(
            f"{seen[name]} and {file} are both {name!r}: their masks would "
            "share one file")
      seen[name] = file
    self._channels = channels

  @property
  def folders(self) -> set[pathlib.Path]:
    """Those that the files are in, without links."""
    return {folder.resolve() for folder in {f.parent for f in self._files}}

  def __len__(self) -> int:
    return len(self._files)

  def __getitem__(self, index: int) -> sources.Example:
    file = self._files[index]
    if index in self._misnamed:
      raise errors.DataError(self._misnamed[index])
    there = _size_and_time(file)  # before it is read: a change in between shows
    content = image_files.read_bytes(file)
    return {"image": image_files.decode_image(
        content, self._channels, str(file)), "id": self.ids[index],
            "file": {**there, "digest": zlib.crc32(content)}}

  def changed(self, index: int, file: dict) -> bool:
    """Whether an image's file is another than it was when it was read.

    It is read again only where its time is another, as a copy's may be, and
    counts as the same where it is not there.

    Args:
      file: "file" of what `__getitem__` gave then.
    """
    path = self._files[index]
    try:
      now = _size_and_time(path)
      return now["bytes"] != file["bytes"] or (
          now["modified"] != file["modified"]
          and zlib.crc32(image_files.read_bytes(path)) != file["digest"])
    except errors.DataError:
      return False


class ImageFolder(ImageFiles):
  """The images of a folder, in the order of their names; ids are the stems.

  Those of its sub-folders are left out, with a warning.
  """

  def __init__(self, folder, channels: int):
    """Reads the folder's listing; `channels` is 3 (RGB) or 1 (gray)."""
    folder = pathlib.Path(folder).expanduser()
    if not folder.is_dir():
      raise errors.DataError(f"{folder}: no such image or folder of images")
    files = sorted(f for f in folder.iterdir() if _is_image(f))
    # Not what `label` wrote there.
    made = {f.parent for f in folder.glob("*/**/labels.json")}
    below = sum(_is_image(f) and made.isdisjoint(f.parents)
                for f in folder.glob("*/**/*"))
    hint = (f"{below} images lie in its sub-folders: a pattern such as "
            f"'{folder}/**/*' names them, too")
    if not files:
      raise errors.DataError(
          f"{folder}: holds no image ({', '.join(image_index.ENDINGS)})"
          + (f"; {hint}" if below else ""))
    if below:
      logging.warning("%s: %s", folder, hint)
    super().__init__(files, channels, folder)


def find(text: str, channels: int) -> ImageFiles:
  """The images that a user names.

  Args:
    text: a folder, an image, a pattern such as "photos/**/*.jpg", or a text
      file with a path a line (relative to that file). Ids begin at the folder,
      at what is before the pattern's first wildcard, or at the file's folder.
    channels: 3 (RGB) or 1 (gray).

  What a pattern finds in a folder of labels is left out, with a warning.

  Raises errors.DataError: there are none.
  """
  path = pathlib.Path(text).expanduser()
  root = path.parent
  if path.is_file() and not _is_image(path):
    try:
      text = path.read_text(encoding="utf-8-sig")
      if "\0" in text:
        raise ValueError
    except ValueError:
      raise errors.DataError(
          f"{path}: neither an image ({', '.join(image_index.ENDINGS)}) nor a "
          "text file with a path a line") from None
    lines = (x.strip() for x in text.splitlines())
    files = [path.parent / x for x in lines if x]
    if not files:
      raise errors.DataError(f"{path}: lists no image")
  elif path.is_file():
    files = [path]
  elif glob.has_magic(str(path)) and not path.is_dir():
    root = next(p for p in path.parents if not glob.has_magic(str(p)))
    files = _not_labels(path, root, sorted(f for f in map(
        pathlib.Path, glob.iglob(str(path), recursive=True)) if _is_image(f)))
    if not files:
      raise errors.DataError(f"{text}: matches no image "
                             f"({', '.join(image_index.ENDINGS)})")
  else:
    return ImageFolder(path, channels)
  return ImageFiles([f.absolute() for f in files], channels, root)


def _not_labels(pattern, top, files):
  """Without what `label` wrote into a folder below the pattern's own."""
  made = {p for f in files for p in f.parents
          if top in p.parents and (p / "labels.json").is_file()}
  kept = [f for f in files if made.isdisjoint(f.parents)]
  if len(kept) < len(files):
    logging.warning(
        "%s: %d images are left out: they lie below %s, whose labels.json says "
        "that `label` wrote there", pattern, len(files) - len(kept), min(made))
  return kept


def _size_and_time(file) -> dict[str, int]:
  try:
    status = os.stat(file)
  except OSError as e:
    raise errors.DataError(f"{file}: cannot be read ({e.strerror})") from e
  return {"bytes": status.st_size, "modified": status.st_mtime_ns}


def _is_image(file) -> bool:
  return (file.suffix.lower() in image_index.ENDINGS
          and not file.name.startswith("."))

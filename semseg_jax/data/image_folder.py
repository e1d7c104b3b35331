"""A plain folder of image files as an unlabeled source."""

import pathlib
import unicodedata

from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import sources
from semseg_jax.data.formats import image_index


class ImageFolder:
  """The images of a folder, in the order of their names; ids are the stems.

  Files are read when asked for; `__getitem__` raises `errors.DataError` naming
  a file that is broken.
  """

  labeled = False

  def __init__(self, folder, channels: int):
    """Reads the folder's listing; `channels` is 3 (RGB) or 1 (gray)."""
    folder = pathlib.Path(folder).expanduser()
    if not folder.is_dir():
      raise errors.DataError(f"{folder}: no such folder of images")
    self._files = sorted(
        f for f in folder.iterdir() if f.suffix.lower() in image_index.ENDINGS
        and not f.name.startswith("."))
    if not self._files:
      raise errors.DataError(
          f"{folder}: holds no image ({', '.join(image_index.ENDINGS)})")
    self.ids = tuple(
        unicodedata.normalize("NFC", f.stem) for f in self._files)
    seen = {}
    for name, file in zip(self.ids, self._files, strict=True):
      if name in seen:
        raise errors.DataError(
            f"{seen[name]} and {file} are both {name!r}: their masks would "
            "share one file")
      seen[name] = file
    self._channels = channels

  def __len__(self) -> int:
    return len(self._files)

  def __getitem__(self, index: int) -> sources.Example:
    file = self._files[index]
    content = image_files.read_bytes(file)
    return {"image": image_files.decode_image(
        content, self._channels, str(file)), "id": self.ids[index]}

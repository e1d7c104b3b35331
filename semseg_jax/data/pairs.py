"""Folders of images with masks of the same names, and of masks alone."""

import pathlib
import unicodedata

import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import image_folder
from semseg_jax.data import mask_files
from semseg_jax.data import sources


class Masks:
  """The index PNGs of a folder, in the order of their names.

  Hidden files, such as the ._<name>.png of macOS, are none; ids are NFC.

  `[i]` gives {"label": uint8 [H, W], "id"}; a file that is no index mask, or
  holds a class there is not, raises `errors.DataError` with its name.
  """

  def __init__(self, folder, num_classes: int, ignore_index: int):
    folder = pathlib.Path(folder)
    self._files = sorted(f for f in folder.glob("*.png")
                         if not f.name.startswith("."))
    if not self._files:
      raise errors.DataError(f"{folder}: holds no mask (*.png)")
    self.ids = tuple(unicodedata.normalize("NFC", f.stem)
                     for f in self._files)
    self._classes = num_classes, ignore_index

  def __len__(self) -> int:
    return len(self._files)

  def path(self, index: int) -> str:
    """Of the file."""
    return str(self._files[index])

  def __getitem__(self, index: int):
    where = self.path(index)
    label = mask_files.read_indices(
        image_files.read_bytes(self._files[index]), where)
    num_classes, ignore_index = self._classes
    image_files.check_classes(label, num_classes, ignore_index, where)
    return {"label": label, "id": self.ids[index]}


class Pairs:
  """Labeled images: FOLDER/images/<id>.* with FOLDER/masks/<id>.png."""
  labeled = True

  def __init__(self, folder, channels: int, num_classes: int,
               ignore_index: int):
    folder = pathlib.Path(folder)
    self._images = image_folder.ImageFolder(folder / "images", channels)
    self._masks = Masks(folder / "masks", num_classes, ignore_index)
    self.ids = self._images.ids
    # Endings come into the order of files: "a.k.jpg" is before "a.png".
    self._mask_of = {name: i for i, name in enumerate(self._masks.ids)}
    if differ := set(self.ids) ^ set(self._mask_of):
      raise errors.DataError(
          f"{folder}: images and masks do not belong together; {min(differ)!r} "
          "has only one of the two")

  def __len__(self) -> int:
    return len(self.ids)

  def __getitem__(self, index: int) -> sources.Example:
    example = dict(self._images[index])
    number = self._mask_of[self.ids[index]]
    label, image = self._masks[number]["label"], example["image"]
    if label.shape != image.shape[:2]:
      raise errors.DataError(
          f"{self._masks.path(number)}: {label.shape[1]} x {label.shape[0]} "
          f"pixels, but its image has {image.shape[1]} x {image.shape[0]}: "
          "draw it at the image's size")
    return example | {"label": np.asarray(label)}

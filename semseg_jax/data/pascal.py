"""What the sets on PASCAL VOC images share: colors, classes, lists."""

import pathlib

import numpy as np

from semseg_jax.data import errors

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus",
    "car", "cat", "chair", "cow", "diningtable", "dog", "horse", "motorbike",
    "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor")
# The line around VOC's objects, which does not count.
BORDER = (224, 224, 192)
LICENCE = "Flickr's terms of use"
CITATION = (
    "Everingham et al.: The PASCAL visual object classes challenge: A "
    "retrospective, IJCV 2015")


def palette(count: int = 256) -> np.ndarray:
  """The first colors of VOC's color map, uint8 [count, 3].

  Bit 3 i + c of the index is bit 7 - i of channel c.
  """
  index = np.arange(count)[:, None]
  colors = np.zeros((count, 3), np.int64)
  for i in range(8):
    colors |= (index >> (3 * i + np.arange(3)) & 1) << (7 - i)
  return colors.astype(np.uint8)


def flagged(path: pathlib.Path) -> list[str]:
  """Ids of a list of one class (`car_train.txt`) that are marked with 1."""
  ids = []
  for line in path.read_text().splitlines():
    words = line.split()
    if len(words) not in (0, 2):
      raise errors.DataError(f"{path}: {line!r} is not an id and a flag")
    if words and words[1] == "1":
      ids.append(words[0])
  return ids

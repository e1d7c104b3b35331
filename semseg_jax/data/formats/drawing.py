"""Masks of the shapes and run lengths that annotations hold."""

from collections.abc import Callable
from collections.abc import Mapping

import numpy as np
from PIL import Image
from PIL import ImageDraw
from pycocotools import mask as coco_masks

from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data.formats import contents

# Coordinates may lie outside of the image by this many of its sides.
_OUTSIDE = 4
_MAX_POINTS = 1_000_000


class Canvas:
  """A mask under construction: later shapes cover earlier ones.

  Args:
    width, height: in pixels.
    indices: {label: index}.
    where: the annotations' file, for messages.
  """

  def __init__(self, width, height, indices: Mapping[str, int], where: str):
    self.width, self.height = size(width, height, where)
    self._indices, self._where = indices, where
    self._mask = np.zeros((self.height, self.width), np.uint8)
    self._largest = 0.0  # coordinate of a shape

  def fill(self, region: np.ndarray, label: str):
    """Gives `label` to the pixels of a bool [H, W]."""
    self._mask[region] = self.index(label)

  def place(self, region: np.ndarray, left: int, top: int, label: str):
    """The same for a region of any size whose corner is at (left, top)."""
    height, width = region.shape
    if not (0 <= left and left + width <= self.width
            and 0 <= top and top + height <= self.height):
      raise errors.DataError(
          f"{self._where}: a mask of {label!r} at ({left}, {top}) of {width} x "
          f"{height} pixels lies outside of the image, which is {self.width} x "
          f"{self.height}")
    part = self._mask[top:top + height, left:left + width]
    part[region] = self.index(label)

  def pillow(self, draw: Callable, label: str):
    """What `draw(ImageDraw, fill=1)` paints, as LabelMe paints its shapes."""
    image = Image.new("1", (self.width, self.height), 0)
    draw(ImageDraw.Draw(image), fill=1)
    self.fill(np.asarray(image), label)

  def polygons(self, polygons, label: str):
    """Polygons [[x0, y0, x1, ...], ...] in continuous coordinates, as COCO."""
    self.fill(polygon_region(polygons, self.height, self.width), label)

  def box(self, left, top, right, bottom, label: str):
    """A rectangle in continuous coordinates: pixel centers that it holds."""
    x = np.arange(self.width) + 0.5
    y = np.arange(self.height) + 0.5
    self.fill(((y >= top) & (y < bottom))[:, None]
              & ((x >= left) & (x < right))[None], label)

  def ellipse(self, x, y, rx, ry, label: str):
    """Pixel centers within an ellipse in continuous coordinates."""
    xs = (np.arange(self.width) + 0.5 - x)[None] / max(rx, 1e-9)
    ys = (np.arange(self.height) + 0.5 - y)[:, None] / max(ry, 1e-9)
    self.fill(xs * xs + ys * ys <= 1, label)

  def index(self, label: str) -> int:
    if label.lower() in (*contents.BACKGROUND, *contents.IGNORED):
      label = label.lower()
    if label not in self._indices:
      raise errors.DataError(
          f"{self._where}: label {label!r} is no class; there are "
          f"{', '.join(self._indices)}")
    return self._indices[label]

  def points(self, values) -> list[float]:
    """Checked coordinates [x0, y0, x1, ...]."""
    flat = np.asarray(values, np.float64).ravel()
    if flat.size % 2 or flat.size > 2 * _MAX_POINTS:
      raise errors.DataError(
          f"{self._where}: a shape of {flat.size} coordinates")
    far = _OUTSIDE * max(self.width, self.height)
    if not (np.isfinite(flat).all() and (np.abs(flat) <= far).all()):
      raise errors.DataError(
          f"{self._where}: a shape reaches far outside of the image, which is "
          f"{self.width} x {self.height}")
    self._largest = max(self._largest, *np.abs(flat).tolist(), 0.0)
    return flat.tolist()

  @property
  def mask(self) -> np.ndarray:
    """What was drawn.

    Raises errors.DataError: all coordinates are fractions.
    """
    if 0 < self._largest <= 1 < min(self.width, self.height):
      raise errors.DataError(
          f"{self._where}: all shapes lie within [0, 1]; coordinates are "
          f"pixels, and the image has {self.width} x {self.height}")
    return self._mask


def polygon_region(polygons, height: int, width: int) -> np.ndarray:
  """The union of polygons, bool [height, width], by COCO's own rule."""
  runs = coco_masks.frPyObjects(
      [list(map(float, p)) for p in polygons], height, width)
  return run_lengths(
      coco_masks.merge(runs)["counts"], height, width, "polygons")


def run_lengths(counts, height: int, width: int, where: str) -> np.ndarray:
  """COCO's run lengths, a list or its text form, as bool [height, width].

  The runs go down the columns and start with what is not covered.
  """
  if isinstance(counts, str | bytes):
    counts = _unpacked(counts)
  try:
    runs = np.asarray(counts, np.int64)
  except (TypeError, ValueError, OverflowError):
    runs = np.array([-1])
  if runs.ndim != 1 or (runs < 0).any() or runs.sum() != height * width or (
      (runs > height * width).any()):
    raise errors.DataError(
        f"{where}: run lengths that are not those of {width} x {height} "
        "pixels")
  flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
  return flat.reshape(width, height).T


def size(width, height, where: str) -> tuple[int, int]:
  """(width, height) as integers that an image may have."""
  try:
    exact = float(width), float(height)
    width, height = int(width), int(height)
  except (TypeError, ValueError, OverflowError):
    raise errors.DataError(
        f"{where}: image size {width!r} x {height!r}") from None
  if exact != (width, height) or width < 1 or height < 1 or (
      width * height > image_files.MAX_PIXELS):
    raise errors.DataError(
        f"{where}: image size {width} x {height}; the largest image read has "
        f"{image_files.MAX_PIXELS // 1_000_000} million pixels")
  return width, height


def stated_size(width, height, image: str):
  """(width, height), of the image's file where annotations do not state them.
  """
  if None not in (width, height):
    return width, height
  return image_files.upright(
      image_files.load(image_files.read_bytes(image), image)).size


def _unpacked(text):
  """COCO's text form: numbers of 5 bits a character, from the third on
  differences to the one before the last.
  """
  if isinstance(text, str):
    text = text.encode("ascii", "replace")
  counts, value, shift = [], 0, 0
  for byte in text:
    part = byte - 48
    if not 0 <= part < 64 or shift > 60:
      return [-1]
    value |= (part & 31) << shift
    shift += 5
    if part & 32:
      continue
    if part & 16:
      value -= 1 << shift
    if len(counts) > 2:
      value += counts[-2]
    counts.append(value)
    value, shift = 0, 0
  return counts if not shift else [-1]

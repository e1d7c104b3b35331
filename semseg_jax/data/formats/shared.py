"""What every format gives, and the checks that all of them need."""

from collections.abc import Callable
from collections.abc import Mapping
import contextlib
import dataclasses
import json
import pathlib
from xml.etree import ElementTree

import numpy as np
from PIL import Image
from PIL import ImageDraw
from pycocotools import mask as coco_masks

from semseg_jax.data import errors
from semseg_jax.data import image_files

BACKGROUND = ("background", "_background_", "__background__")
IGNORED = ("__ignore__", "ignore", "void")
# Coordinates may lie outside of the image by this many of its sides.
_OUTSIDE = 4
_MAX_TEXT = 1 << 30
_MAX_POINTS = 1_000_000

# {label: index} -> uint8 [H, W].
Draw = Callable[[Mapping[str, int]], np.ndarray]


@dataclasses.dataclass
class Annotated:
  """One image with what was drawn on it.

  image: path. file: the annotations' path. draw: makes the mask.
  """
  image: str
  file: str
  draw: Draw


@dataclasses.dataclass
class Annotations:
  """A folder's annotations.

  name: of the format.
  labels: names of all classes in the data's own order, without background and
    ignored regions.
  items: {id: image and mask}.
  splits: {name: ids} where the data has them, else {}.
  colors: {label: (r, g, b)} where the data has them.
  notes: what a user should know, a line each.
  """
  name: str
  labels: tuple[str, ...]
  items: dict[str, Annotated]
  splits: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
  colors: dict[str, tuple[int, int, int]] = dataclasses.field(
      default_factory=dict)
  notes: list[str] = dataclasses.field(default_factory=list)


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
    """A rectangle in continuous coordinates: pixel centres that it holds."""
    x = np.arange(self.width) + 0.5
    y = np.arange(self.height) + 0.5
    self.fill(((y >= top) & (y < bottom))[:, None]
              & ((x >= left) & (x < right))[None], label)

  def ellipse(self, x, y, rx, ry, label: str):
    """Pixel centres within an ellipse in continuous coordinates."""
    xs = (np.arange(self.width) + 0.5 - x)[None] / max(rx, 1e-9)
    ys = (np.arange(self.height) + 0.5 - y)[:, None] / max(ry, 1e-9)
    self.fill(xs * xs + ys * ys <= 1, label)

  def index(self, label: str) -> int:
    if label.lower() in (*BACKGROUND, *IGNORED):
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


@contextlib.contextmanager
def parsing(what: str):
  """Names `what` ("FILE: not a ... file") where its content is not as expected.

  Raises errors.DataError: also where the body raises one, which is passed on.
  """
  try:
    yield
  except errors.DataError:
    raise
  except (KeyError, TypeError, ValueError, IndexError, AttributeError) as e:
    raise errors.DataError(f"{what} ({type(e).__name__}: {e})") from e


def read_json(path):
  """The content of a JSON file.

  Raises errors.DataError: it cannot be read.
  """
  text = _text(path)
  try:
    return json.loads(text)
  except RecursionError as e:
    raise errors.DataError(f"{path}: JSON nested too deeply") from e
  except ValueError as e:
    raise errors.DataError(f"{path}: not valid JSON ({e})") from e


def read_xml(path) -> ElementTree.Element:
  """The root of an XML file; document types and entities are refused.

  Raises errors.DataError: it cannot be read.
  """
  text = _text(path)
  if "<!DOCTYPE" in text or "<!ENTITY" in text:
    raise errors.DataError(
        f"{path}: XML with a document type, which no annotation has")
  try:
    return ElementTree.fromstring(text.encode())
  except (
      ElementTree.ParseError, LookupError, ValueError, RecursionError) as e:
    raise errors.DataError(f"{path}: not valid XML ({e})") from e


def relative(name: str, where: str) -> pathlib.PurePosixPath:
  """Path of an image below its folder, as annotations name it; of a path of
  another machine, or one that leads out of the folder, the last part.

  Raises errors.DataError: it is empty.
  """
  path = pathlib.PurePosixPath(str(name).replace("\\", "/"))
  leads_out = ".." in path.parts or path.is_absolute() or ":" in str(path)
  path = pathlib.PurePosixPath(path.name) if leads_out else path
  if path.name in ("", ".."):
    raise errors.DataError(f"{where}: an image without a name ({name!r})")
  return path


def _text(path):
  try:
    with open(path, "rb") as file:
      content = file.read(_MAX_TEXT + 1)
  except OSError as e:
    raise errors.DataError(f"{path}: cannot be read ({e.strerror})") from e
  if len(content) > _MAX_TEXT:
    raise errors.DataError(f"{path}: more than {_MAX_TEXT >> 20} MiB")
  try:
    text = content.decode("utf-8-sig")
  except UnicodeDecodeError as e:
    raise errors.DataError(f"{path}: not a UTF-8 text file") from e
  return text


def ordered(labels) -> tuple[str, ...]:
  """Labels without background and ignored regions, each once."""
  return tuple(x for x in dict.fromkeys(labels)
               if x.lower() not in (*BACKGROUND, *IGNORED))


def indices(class_names, ignore_index: int) -> dict[str, int]:
  """{label: index}: the classes, background by any of its names, ignored."""
  known = {name: ignore_index for name in IGNORED}
  if class_names:
    known |= {name: 0 for name in BACKGROUND}
  return known | {name: i for i, name in enumerate(class_names)}


def below(root: pathlib.Path, name: str, where: str) -> pathlib.Path:
  """`root`/`name`, which must not lead out of the root."""
  parts = pathlib.PurePosixPath(str(name).replace("\\", "/")).parts
  if "\0" in str(name) or ".." in parts or not parts:
    raise errors.DataError(f"{where}: {name!r} leads out of the folder")
  return root.joinpath(*parts)


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

"""Reading image and mask files, with one clear line for each that is broken.
"""

import io
import os

import numpy as np
from PIL import Image

from semseg_jax.data import errors
from semseg_jax.data import transforms

# 80 million pixels: far above any set here, far below what fills the memory.
MAX_PIXELS = 80_000_000
# No image of MAX_PIXELS has more, however stored.
MAX_BYTES = 1 << 30
# Pillow reads more, some by running other programs (EPS).
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_ORIENTATION = 0x112  # EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90}
DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def read_bytes(path: str | os.PathLike) -> bytes:
  """The file's content."""
  try:
    with open(path, "rb") as file:
      content = file.read(MAX_BYTES + 1)
  except OSError as e:
    raise errors.DataError(
        f"{os.fspath(path)}: cannot be read ({e.strerror})") from e
  if not content:
    raise errors.DataError(f"{os.fspath(path)}: empty file")
  if len(content) > MAX_BYTES:
    raise errors.DataError(
        f"{os.fspath(path)}: more than {MAX_BYTES >> 20} MiB")
  return content


def mode(path: str | os.PathLike) -> str:
  """Pillow's mode of an image file, by its header; "" where it has none."""
  try:
    with Image.open(path, formats=_FORMATS) as image:
      return image.mode
  except Exception:  # Pillow promises no type for a broken file
    return ""


def decode_image(content: bytes, channels: int, where: str) -> np.ndarray:
  """Encoded image -> uint8 [H, W, channels].

  Gray becomes RGB and RGB gray as asked; transparency is dropped. An EXIF
  orientation is applied: the image stands as the camera's owner sees it.
  """
  return as_array(load(content, where), channels, where, content)


def as_array(image: Image.Image, channels: int, where: str,
             content: bytes = b"") -> np.ndarray:
  """uint8 [H, W, channels] of Pillow's image; see `decode_image`."""
  if image.format in ("GIF", "TIFF", "WEBP", "PNG") and (
      count := frames(image)) > 1:
    raise errors.DataError(
        f"{where}: holds {count} images; store each in a file of its own")
  if (deep := bits(image, content)) > 8:  # Pillow keeps the upper 8
    raise errors.DataError(
        f"{where}: an image of {deep} bits a channel; choose a value window "
        "and store it with 8 bits")
  image = upright(image)
  if image.mode in DEEP_MODES:
    raise errors.DataError(
        f"{where}: {image.mode} image with more than 8 bits; choose a value "
        "window and store it with 8 bits")
  array = np.asarray(converted(image, "L" if channels == 1 else "RGB", where))
  return array[..., None] if channels == 1 else array


def decode_binary(content: bytes, where: str) -> np.ndarray:
  """Encoded black-and-white image of any mode -> bool [H, W].

  White is 1 where no value is larger, else more than 127.
  """
  gray = np.asarray(converted(upright(load(content, where)), "L", where))
  return gray > (127 if gray.max() > 1 else 0)


def decode_gray(content: bytes, where: str) -> np.ndarray:
  """Encoded image -> its gray values, uint8 or, if deeper, uint16 [H, W]."""
  image = upright(load(content, where))
  if image.mode not in DEEP_MODES:
    return np.asarray(converted(image, "L", where))
  values = np.asarray(image)
  if values.min() < 0 or values.max() > 65535:
    raise errors.DataError(f"{where}: gray values outside of 0 to 65535")
  return values.astype(np.uint16)


def check_classes(mask: np.ndarray, num_classes: int, ignore_index: int,
                  where: str) -> None:
  """Raises where a mask holds an index that is no class."""
  used = np.bincount(mask.ravel(), minlength=256)
  used[ignore_index] = 0
  if used[num_classes:].any():
    bad = num_classes + int(np.flatnonzero(used[num_classes:])[0])
    raise errors.DataError(
        f"{where}: class index {bad}, but there are {num_classes} classes "
        f"(0 to {num_classes - 1}, {ignore_index} = ignore)")


def orientation(content: bytes) -> int:
  """EXIF's orientation of an encoded image, 1 to 8; 1 where none is stated."""
  if not any(x in content for x in (b"Exif", b"eXIf", b"EXIF", b"Orientation")
             ) and content[:4] not in (b"II*\0", b"MM\0*"):
    return 1  # most images: nothing to look up
  try:
    with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
      if image.format == "TIFF":
        turn = image.tag_v2.get(_ORIENTATION, 1)
        return turn if turn in _TURNS else 1
      return _orientation(image)
  except Exception:  # Pillow promises no type for a broken file
    return 1


def frames(image: Image.Image) -> int:
  """How many images a file holds."""
  try:
    return getattr(image, "n_frames", 1)
  except Exception:  # Pillow promises no type for a broken file
    return 1


def bits(image: Image.Image, content: bytes = b"") -> int:
  """Bits a channel of a file of several channels; 8 of others.

  Without the file's content a PNG's are known only before Pillow reads its
  pixels.
  """
  if image.format == "PNG" and not content:
    return 16 if ";16" in str(getattr(image, "tile", "")) else 8
  if image.format == "PNG" and len(content) > 25 and content[25] in (2, 4, 6):
    return content[24]
  if image.format == "TIFF" and image.mode not in ("1", "L", "P", *DEEP_MODES):
    stated = image.tag_v2.get(258, (8,))
    return max(stated) if isinstance(stated, tuple) else stated
  return 8


def upright(image: Image.Image) -> Image.Image:
  """The image turned and mirrored as its EXIF orientation says."""
  turn = _orientation(image)
  if turn == 1:
    return image
  return image.transpose(_TURNS[turn])


def converted(image: Image.Image, mode: str, where: str) -> Image.Image:
  """The image in another of Pillow's modes.

  Raises errors.DataError: Pillow has no such conversion.
  """
  try:
    return image.convert(mode)
  except Exception as e:  # Pillow promises no type
    raise errors.DataError(
        f"{where}: a {image.mode} image cannot be read as {mode} ({e}); store "
        "it as RGB or gray") from e


def encode_png(array: np.ndarray) -> bytes:
  """uint8 [H, W] or [H, W, 1 or 3] -> PNG."""
  out = io.BytesIO()
  transforms.to_pillow(array).save(out, "png")
  return out.getvalue()


def encode_jpeg(array: np.ndarray) -> bytes:
  """uint8 [H, W, C] -> JPEG, quality 95 without chroma subsampling."""
  out = io.BytesIO()
  transforms.to_pillow(array).save(out, "jpeg", quality=95, subsampling=0)
  return out.getvalue()


def load(content: bytes, where: str) -> Image.Image:
  """The file as Pillow reads it, all of it; see `read_bytes` for limits.

  Raises errors.DataError: it is too large, broken, or no image.
  """
  try:
    image = Image.open(io.BytesIO(content), formats=_FORMATS)
    width, height = image.size
    if width * height > MAX_PIXELS:
      raise errors.DataError(
          f"{where}: {width} x {height} pixels; the largest image read is "
          f"{MAX_PIXELS // 1_000_000} million pixels")
    image.load()
  except errors.DataError:
    raise
  except Exception as e:  # Pillow promises no type for a broken file
    reason = str(e).splitlines()[0] if str(e) else type(e).__name__
    if isinstance(e, Image.UnidentifiedImageError):
      reason = "no known image format"
    raise errors.DataError(
        f"{where}: not a readable image ({reason})") from e
  return image


def _orientation(image):
  if image.format == "TIFF":  # Pillow turns these as it reads them
    return 1
  try:
    turn = image.getexif().get(_ORIENTATION, 1)
  except Exception:  # Pillow promises no type for broken EXIF
    return 1
  return turn if turn in _TURNS else 1

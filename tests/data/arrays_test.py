"""Arrays and Pillow's images as a user has them: the right images, or an error.
"""

import io
import struct
import zlib

import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import arrays
from semseg_jax.data import errors

IMAGE = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)


@pytest.mark.parametrize("given", [
    IMAGE, [IMAGE], (IMAGE,), IMAGE[None], jnp.asarray(IMAGE),
    Image.fromarray(IMAGE), [Image.fromarray(IMAGE)], iter([IMAGE]),
    Image.fromarray(IMAGE).convert("RGBA")])
def test_one_image(given):
  image, = arrays.as_images(given, 3)
  np.testing.assert_array_equal(image, IMAGE)


def test_palettes_and_orientations_of_pillow():
  palette = Image.fromarray(IMAGE).quantize(8)
  palette.getexif()[0x112] = 6
  image, = arrays.as_images(palette, 3)
  np.testing.assert_array_equal(
      image, np.rot90(np.asarray(palette.convert("RGB")), -1))


@pytest.mark.parametrize(("given", "channels", "kind", "said"), [
    (IMAGE.transpose(2, 0, 1), 3, ValueError, r"\(3, 6, 8\).*channels last"),
    (np.dstack([IMAGE, IMAGE[..., 0]]), 3, ValueError, "transparency"),
    (np.dstack([IMAGE, IMAGE[..., 0]]), 1, ValueError, "transparency"),
    (IMAGE / 255, 3, TypeError, "give uint8"),
    (jnp.asarray(IMAGE, jnp.float32), 3, TypeError, "give uint8"),
    ("a.jpg", 3, TypeError, "is a path"),
    (Image.fromarray(np.full((6, 8), 700, np.uint16)), 3, ValueError, "8 bits"),
    ([], 3, ValueError, "no images"),
])
def test_what_is_no_image(given, channels, kind, said):
  with pytest.raises(kind, match=said):
    arrays.as_images(given, channels)


def _opened(kind, *images):
  file = io.BytesIO()
  first, *others = map(Image.fromarray, images)
  first.save(file, kind, **(
      dict(save_all=True, append_images=others) if others else {}))
  return Image.open(file)


def _deep_png():
  """Pillow writes no colors of 16 bits."""
  chunk = lambda name, data: (
      len(data).to_bytes(4, "big") + name + data
      + zlib.crc32(name + data).to_bytes(4, "big"))
  header = struct.pack(">IIBBBBB", 8, 6, 16, 2, 0, 0, 0)
  rows = b"".join(
      b"\0" + row.astype(">u2").tobytes() for row in IMAGE.astype(int) * 16)
  return Image.open(io.BytesIO(
      b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
      + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")))


@pytest.mark.parametrize(("given", "said"), [
    (_deep_png, "image 0: an image of 16 bits a channel"),
    (lambda: _opened("TIFF", IMAGE, IMAGE), "image 0: holds 2 images"),
    (lambda: _opened("GIF", IMAGE, IMAGE // 2), "image 0: holds 2 images")])
def test_opened_files_are_refused_as_label_refuses_them(given, said):
  with pytest.raises(errors.DataError, match=said):
    arrays.as_images(given(), 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_opened_files(kind):
  image, = arrays.as_images(_opened(kind, IMAGE), 3)
  np.testing.assert_array_equal(image, IMAGE)


def test_stack_of_gray_images():
  assert len(arrays.as_images(np.zeros((3, 6, 8), np.uint8), 1)) == 3

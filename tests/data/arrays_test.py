"""Arrays and Pillow's images as a user has them: the right images, or an error.
"""

import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import arrays

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


def test_stack_of_gray_images():
  assert len(arrays.as_images(np.zeros((3, 6, 8), np.uint8), 1)) == 3

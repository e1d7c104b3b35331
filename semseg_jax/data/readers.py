"""From an item's files to an encoded image and a mask (`store.Read`)."""

from collections.abc import Callable
from collections.abc import Sequence
import functools

import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import intensity
from semseg_jax.data import store
from semseg_jax.data import transforms


def union(paths: Sequence[str]) -> np.ndarray:
  """Black-and-white masks of one size -> uint8 [H, W], 1 where any is white."""
  masks = [image_files.decode_binary(image_files.read_bytes(p), p)
           for p in paths]
  shapes = {m.shape for m in masks}
  if len(shapes) > 1:
    raise errors.DataError(
        f"{paths[0]}: masks of one image differ in size: {sorted(shapes)}")
  return np.any(masks, axis=0).astype(np.uint8)


def image(path: str, channels: int) -> np.ndarray:
  """The image of a file, uint8 [H, W, channels]."""
  return image_files.decode_image(
      image_files.read_bytes(path), channels, path)


def radiograph(path: str, channels: int, *, plain: bool) -> np.ndarray:
  """The X-ray of a file of 8 or 16 bits, uint8 [H, W, 1]."""
  del channels
  values = image_files.decode_gray(image_files.read_bytes(path), path)
  return intensity.radiograph(values, plain=plain)


def squares(side: int, *, masks: Callable[[Sequence[str]], np.ndarray] = union,
            pixels: Callable[[str, int], np.ndarray] = image) -> store.Read:
  """A reader of large images, stored as JPEG squares of one side.

  Args:
    side: of the squares.
    masks: an item's mask files -> uint8 [H, W]; the grid may be another one
      than the image's, of the same proportions.
    pixels: (path, channels) -> uint8 [H, W, channels].
  """
  return functools.partial(_square, side=side, masks=masks, pixels=pixels)


def _square(item, channels, *, side, masks, pixels):
  image = pixels(item.image, channels)
  content = image_files.encode_jpeg(transforms.resize_image(image, side))
  if not item.masks:
    return content, None
  mask = masks(item.masks)
  (h, w), (mask_h, mask_w) = image.shape[:2], mask.shape
  if abs(h * mask_w - w * mask_h) > max(h * mask_w, w * mask_h) / 100:
    raise errors.DataError(
        f"{item.masks[0]}: mask is {mask_w} x {mask_h}, but its image "
        f"{item.image} is {w} x {h}")
  return content, transforms.resize_label(mask, side)

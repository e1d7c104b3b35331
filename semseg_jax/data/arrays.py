"""Images that a user has as arrays."""

from collections.abc import Iterable
import os

import numpy as np
from PIL import Image

from semseg_jax.data import image_files


class Images:
  """A list of images as a source; ids are their positions."""
  labeled = False

  def __init__(self, images):
    self._images = images
    self.ids = tuple(map(str, range(len(images))))

  def __len__(self):
    return len(self._images)

  def __getitem__(self, index):
    return {"image": self._images[int(index)], "id": self.ids[int(index)]}


def as_images(images, channels: int) -> list[np.ndarray]:
  """A list of uint8 [H, W, channels] of what `Model.segment` takes.

  Raises:
    TypeError: an image is not uint8, or a path. ValueError: there is none, or
      one of another shape; errors.DataError: of more than 8 bits.
  """
  if hasattr(images, "__array__") and not isinstance(images, Image.Image):
    images = np.asarray(images)  # of JAX, too
  if isinstance(images, np.ndarray) and images.ndim == 3 and (
      images.shape[-1] not in (1, 3)) and (
          channels == 3 or images.shape[-1] == 4):
    raise ValueError(
        f"an array of shape {images.shape} is no image; give [H, W, 3] without "
        "transparency, channels last, or several images as a list")
  if isinstance(images, Image.Image | str | os.PathLike) or (
      isinstance(images, np.ndarray) and (
          images.ndim == 2 or images.ndim == 3 and images.shape[-1] in (1, 3))):
    images = [images]
  if not isinstance(images, Iterable):
    raise TypeError(f"images is {type(images).__name__}; give an image or a "
                    "list of images")
  images = list(images)
  if not images:
    raise ValueError("no images")
  return [_as_image(x, channels, i) for i, x in enumerate(images)]


def _as_image(image, channels, number):
  if isinstance(image, str | os.PathLike):
    raise TypeError(
        f"image {number} is a path; open it, as with PIL.Image.open, or label "
        "files with semseg-jax label")
  if isinstance(image, Image.Image):
    return image_files.as_array(image, channels, f"image {number}")
  image = np.asarray(image)
  if image.dtype != np.uint8:
    raise TypeError(
        f"image {number} has dtype {image.dtype}; give uint8 in [0, 255]: "
        "floats in [0, 1] as (255 * x).round().astype(numpy.uint8), what is "
        "in [0, 255] already as x.astype(numpy.uint8)")
  if image.ndim == 2:
    image = image[..., None]
  if image.ndim != 3 or image.shape[2] not in (1, 3) or not image.size:
    raise ValueError(f"image {number} has shape {image.shape}; give [H, W], "
                     "[H, W, 1] or [H, W, 3]")
  if image.shape[2] == channels:
    return image
  if channels == 3:
    return np.repeat(image, 3, 2)
  weights = np.array([0.299, 0.587, 0.114])  # ITU-R 601, as Pillow's "L"
  return (image @ weights).round().astype(np.uint8)[..., None]

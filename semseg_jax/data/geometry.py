"""Rectangular images: random crops for training, padding, fixed protocols.

The crops of s4GAN (Mittal et al. 2019) on PASCAL VOC, PASCAL-Context and
Cityscapes. Images are uint8 [H, W, C], labels uint8 [H, W].
"""

import dataclasses

import numpy as np
from PIL import Image
from PIL import ImageFilter

from semseg_jax.data import errors
from semseg_jax.data import sources
from semseg_jax.data import transforms


@dataclasses.dataclass(frozen=True)
class Crop:
  """A random crop, out of the image at a random size.

  shape: (height, width) of the crop.
  scales: one is picked at random as the image's scale; empty: none.
  short_side: (least, most) of the shorter side, uniform; empty: as it is.
  fill: color right of and below images that are too small; fill_label:
    their class there.
  blur: probability of a Gaussian blur of a radius in [0, 1].
  """
  shape: tuple[int, int]
  scales: tuple[float, ...] = ()
  short_side: tuple[int, ...] = ()
  fill: tuple[int, ...] = (0, 0, 0)
  fill_label: int = 255
  blur: float = 0.0


def random_crop(example: dict, rng: np.random.Generator, crop: Crop) -> dict:
  """{"image"} or {"image", "label"} scaled, padded, cropped and blurred."""
  height, width = example["image"].shape[:2]
  if crop.short_side:
    least, most = crop.short_side
    height, width = with_short_side(
        (height, width), int(rng.integers(least, most + 1)))
  elif crop.scales:
    scale = crop.scales[rng.integers(len(crop.scales))]
    height, width = int(height * scale), int(width * scale)
  example = resized(example, (height, width))
  padded = padded_to(
      example, tuple(max(a, b) for a, b in zip(
          (height, width), crop.shape, strict=True)),
      fill=crop.fill, fill_label=crop.fill_label)
  top, left = (int(rng.integers(n - m + 1)) for n, m in zip(
      padded["image"].shape[:2], crop.shape, strict=True))
  cropped = {k: x[top:top + crop.shape[0], left:left + crop.shape[1]]
             for k, x in padded.items()}
  radius = rng.uniform(0, 1)
  if rng.random() < crop.blur:
    cropped["image"] = blurred(cropped["image"], radius)
  return cropped


def resized(example: dict, shape: tuple[int, int]) -> dict:
  """Bilinear image, nearest label; other entries are dropped."""
  result = {"image": transforms.resize_image(
      example["image"], shape, Image.Resampling.BILINEAR)}
  if "label" in example:
    result["label"] = transforms.resize_label(example["label"], shape)
  return result


def padded_to(example: dict, shape, *, fill, fill_label: int = 255) -> dict:
  """Image and label continued to the right and below up to `shape`.

  Raises errors.DataError: the image is larger; the message has its "id".
  """
  height, width = example["image"].shape[:2]
  if height > shape[0] or width > shape[1]:
    raise errors.DataError(
        f"image {example['id']!r} of {height} x {width} (height x width) does "
        f"not fit into {shape[0]} x {shape[1]}: make "
        "config.data.geometry.evaluate larger")
  channels = example["image"].shape[2]
  image = np.empty((*shape, channels), np.uint8)
  image[...] = np.asarray(fill, np.uint8)[:channels]
  image[:height, :width] = example["image"]
  padded = {"image": image}
  if "label" in example:
    padded["label"] = np.full(shape, fill_label, np.uint8)
    padded["label"][:height, :width] = example["label"]
  return padded


def with_short_side(shape: tuple[int, int], side: int) -> tuple[int, int]:
  """(height, width) with the shorter one at `side`, the other truncated."""
  height, width = shape
  if height < width:
    return side, max(side, int(width * side / height))
  return max(side, int(height * side / width)), side


def shrunk(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
  """uint8 [H, W, C] that fits into `shape`: larger ones are scaled down."""
  height, width = image.shape[:2]
  factor = min(1.0, shape[0] / height, shape[1] / width)
  return transforms.resize_image(image, tuple(
      max(1, int(x * factor + 1e-6)) for x in (height, width)))


def blurred(image: np.ndarray, radius: float) -> np.ndarray:
  """Gaussian blur, standard deviation `radius` pixels."""
  smooth = transforms.to_pillow(image).filter(ImageFilter.GaussianBlur(radius))
  return transforms.from_pillow(smooth, image.ndim)


class Viewed:
  """A source whose images, and labels, are changed first.

  Labels are changed too: what is scored is the changed image, as some
  published protocols do.
  """

  def __init__(self, parent: sources.Source, *, shape=(), short_side: int = 0):
    """Resized to `shape`, or center squares of a shorter side `short_side`."""
    self.ids, self.labeled = parent.ids, parent.labeled
    self.checked = getattr(parent, "checked", False)
    self.broken = sources.broken(parent)
    self.volumes = getattr(parent, "volumes", None)
    self._parent, self._shape, self._side = parent, tuple(shape), short_side

  def __len__(self) -> int:
    return len(self.ids)

  def __getitem__(self, index: int):
    example = self._parent[index]
    rest = {k: v for k, v in example.items() if k not in ("image", "label")}
    if self._shape:
      return rest | resized(example, self._shape)
    scaled = resized(example, with_short_side(
        example["image"].shape[:2], self._side))
    top, left = ((n - self._side) // 2 for n in scaled["image"].shape[:2])
    return rest | {
        k: x[top:top + self._side, left:left + self._side]
        for k, x in scaled.items()}

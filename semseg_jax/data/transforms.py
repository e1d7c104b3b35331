"""Image transforms: resizing to squares and paired augmentation.

The labeled augmentation follows SemanticGAN's `seg_aug`: flip 1/2, and with
probability 1/2 one affine map with shift 10 %, scale 20 %, rotation 15 degrees
and a constant border.
"""

import dataclasses
import math

import numpy as np
from PIL import Image

from semseg_jax.data import flips


@dataclasses.dataclass(frozen=True)
class AugmentOptions:
  """Which augmentations act; the default is the SemanticGAN default.

  flip_unlabeled, flip_labeled, affine: probabilities.
  shift: largest move as a fraction of the side; scale: largest relative change;
    rotate: largest angle in degrees; all sampled uniformly both ways.
  border_label: class of pixels that come from outside, or the ignored index.
  mirror: what a flip does to the classes (see `flips`); () nothing, None: there
    are no flips, whatever the probabilities say.
  brightness, contrast, saturation: largest relative change of labeled
    images; hue: largest turn as a fraction of the circle.
  """
  flip_unlabeled: float = 0.5
  flip_labeled: float = 0.0
  affine: float = 0.0
  shift: float = 0.1
  scale: float = 0.2
  rotate: float = 15.0
  border_label: int = 0
  mirror: flips.Rule = ()
  brightness: float = 0.0
  contrast: float = 0.0
  saturation: float = 0.0
  hue: float = 0.0


def sides(size: int | tuple[int, int]) -> tuple[int, int]:
  """(height, width) of a size; one number is a square's."""
  return (size, size) if isinstance(size, int) else tuple(size)


def resize_image(image: np.ndarray, size: int | tuple[int, int],
                 method=Image.Resampling.LANCZOS) -> np.ndarray:
  """uint8 [H, W, C] -> uint8 [*sides(size), C]; antialiased."""
  height, width = sides(size)
  if image.shape[:2] == (height, width):
    return image
  return from_pillow(
      to_pillow(image).resize((width, height), method), image.ndim)


def resize_label(
    label: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
  """uint8 [H, W] -> uint8 sides(size); nearest, so no class is invented."""
  height, width = sides(size)
  if label.shape == (height, width):
    return label
  return np.asarray(
      Image.fromarray(label).resize((width, height), Image.Resampling.NEAREST))


def augment_unlabeled(example: dict, rng: np.random.Generator,
                      options: AugmentOptions) -> dict:
  """Flips {"image"} left to right."""
  if rng.random() < options.flip_unlabeled and options.mirror is not None:
    return {"image": example["image"][:, ::-1]}
  return {"image": example["image"]}


def augment_labeled(example: dict, rng: np.random.Generator,
                    options: AugmentOptions) -> dict:
  """Moves {"image", "label"} together and changes the image's colors.

  All random numbers are generated whatever the options say, so that changing
  one probability leaves the others as they were.
  """
  image, label = example["image"], example["label"]
  flip, move = rng.random(2)
  shift_x, shift_y, scale, angle = rng.uniform(-1, 1, 4)
  jitter = rng.uniform(-1, 1, 4)
  if flip < options.flip_labeled and options.mirror is not None:
    image, label = image[:, ::-1], flips.mirrored(label, options.mirror)
  if move < options.affine:
    image, label = affine(
        image, label, shift=(options.shift * shift_x, options.shift * shift_y),
        scale=1 + options.scale * scale, degrees=options.rotate * angle,
        border_label=options.border_label)
  strengths = np.array([
      options.brightness, options.contrast, options.saturation, options.hue])
  if strengths.any():
    image = jitter_colors(image, *(jitter * strengths))
  return {"image": image, "label": label}


def affine(image: np.ndarray, label: np.ndarray, *, shift: tuple[float, float],
           scale: float, degrees: float, border_label: int
           ) -> tuple[np.ndarray, np.ndarray]:
  """One rotation, scaling and shift about the center of both arrays.

  Args:
    image: uint8 [H, W, C], read bilinearly, border 0.
    label: uint8 [H, W], read at the nearest pixel.
    shift: (x, y) as fractions of width and height, right and down.
    scale: > 1 enlarges.
    degrees: counter-clockwise.
    border_label: class of the pixels from outside.
  """
  height, width = label.shape
  angle = math.radians(degrees)
  cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
  center_x, center_y = width / 2, height / 2
  to_x = center_x + shift[0] * width
  to_y = center_y + shift[1] * height
  # Pillow wants the map from output to input coordinates.
  matrix = (cos, -sin, center_x - cos * to_x + sin * to_y,
            sin, cos, center_y - sin * to_x - cos * to_y)
  moved_image = to_pillow(image).transform(
      (width, height), Image.Transform.AFFINE, matrix,
      Image.Resampling.BILINEAR)
  moved_label = Image.fromarray(np.ascontiguousarray(label)).transform(
      (width, height), Image.Transform.AFFINE, matrix,
      Image.Resampling.NEAREST, fillcolor=border_label)
  return from_pillow(moved_image, image.ndim), np.asarray(moved_label)


def jitter_colors(image: np.ndarray, brightness: float, contrast: float,
                  saturation: float, hue: float) -> np.ndarray:
  """Colour changes of uint8 [H, W, C]: relative, but `hue` is a turn in [0, 1].

  The hue turns in the YIQ plane; gray images have neither hue nor saturation.
  """
  x = image.astype(np.float32) * (1 + brightness)
  x = x.mean() + (x - x.mean()) * (1 + contrast)
  if image.shape[2] == 3:
    luma = x @ np.array([0.299, 0.587, 0.114], np.float32)
    x = luma[..., None] + (x - luma[..., None]) * (1 + saturation)
    if hue:
      x = x @ _hue_matrix(hue).T
  return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def _hue_matrix(turn):
  to_yiq = np.array([
      [0.299, 0.587, 0.114],
      [0.596, -0.274, -0.322],
      [0.211, -0.523, 0.312]])
  cos, sin = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
  rotate = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
  return (np.linalg.inv(to_yiq) @ rotate @ to_yiq).astype(np.float32)


def to_pillow(array: np.ndarray) -> Image.Image:
  """uint8 [H, W] or [H, W, C]; the one channel of a gray image is taken off."""
  return Image.fromarray(np.ascontiguousarray(
      array[..., 0] if array.shape[2:] == (1,) else array))


def from_pillow(image, axes: int) -> np.ndarray:
  """uint8 with as many axes as the array that it was made of."""
  array = np.asarray(image)
  return array[..., None] if axes > array.ndim else array

"""Two views of an image, a weak and a strong one, and its image-level labels.

The views of MLMT (Mittal et al. 2019): a flip; and a flip, changed colors and
a blur. Both flip on their own; for segmentation `in_place` flips nothing.
"""

import dataclasses

import numpy as np

from semseg_jax.data import geometry
from semseg_jax.data import transforms


@dataclasses.dataclass(frozen=True)
class Strong:
  """Largest relative changes of color, of the hue as a share of its circle.

  blur: least and most standard deviation in pixels; a most of 0: none.
  """
  brightness: float = 0.4
  contrast: float = 0.4
  saturation: float = 0.4
  hue: float = 0.1
  blur: tuple[float, float] = (0.1, 2.0)


def prepared(example, *, size, num_classes: int, ignore_index: int,
             with_classes: bool) -> dict[str, np.ndarray]:
  """{"image": resized} and, if asked for, "classes": float32 [C] in {0, 1}."""
  view = {"image": transforms.resize_image(example["image"], size)}
  if with_classes:
    view["classes"] = presence(example["label"], num_classes, ignore_index)
  return view


def presence(label, num_classes: int, ignore_index: int) -> np.ndarray:
  """float32 [C]: 1 for each class that a label map [H, W] holds."""
  values = np.unique(label)
  present = np.zeros(num_classes, np.float32)
  present[values[values != ignore_index]] = 1
  return present


def weak(
    example: dict, rng: np.random.Generator, *, flip: bool = True) -> dict:
  """`prepared`'s result with the image flipped half the time, or never."""
  return example | {"image": _flipped(example["image"], rng, flip)}


def both(example: dict, rng: np.random.Generator, options: Strong, *,
         flip: bool = True) -> dict:
  """The weak view in "image", the strong one in "strong"."""
  strong = _changed(_flipped(example["image"], rng, flip), rng, options)
  return weak(example, rng, flip=flip) | {"strong": strong}


def in_place(
    example: dict, rng: np.random.Generator, options: Strong) -> dict:
  """`example` with a strong view of "image", pixel on pixel, in "strong"."""
  return example | {"strong": _changed(example["image"], rng, options)}


def _changed(image, rng, options):
  limits = np.array([options.brightness, options.contrast,
                     options.saturation, options.hue])
  image = transforms.jitter_colors(image, *(rng.uniform(-1, 1, 4) * limits))
  radius = rng.uniform(*options.blur)
  return geometry.blurred(image, radius) if options.blur[1] else image


def _flipped(image, rng, flip):
  return image[:, ::-1] if rng.random() < 0.5 and flip else image

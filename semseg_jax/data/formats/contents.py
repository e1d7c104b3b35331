"""What every format gives: annotated images and the labels drawn on them."""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses

import numpy as np

from semseg_jax.data import errors

BACKGROUND = ("background", "_background_", "__background__")
# Names of lists, files and folders -> the split that they are.
SPLITS = {"train": "train_labeled", "training": "train_labeled", "val": "val",
          "valid": "val", "validation": "val", "test": "test",
          "testing": "test"}
IGNORED = ("__ignore__", "ignore", "void")

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


def labeled(label, where) -> str:
  """The label of a shape.

  Raises errors.DataError: it is no text, or empty.
  """
  if not isinstance(label, str) or not label.strip():
    raise errors.DataError(
        f"{where}: a shape whose label is {label!r}; name its class there")
  return label


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

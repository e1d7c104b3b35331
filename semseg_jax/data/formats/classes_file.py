"""What classes.json says, checked: one line that names what is wrong."""

import difflib

import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import pascal

_FIELDS = ("classes", "colours", "colors", "ignore_index", "channels", "flip",
           "values", "masks", "ignore_colours", "ignore_colors", "annotations")


def checked(content, path) -> dict:
  """The file's content, which must be an object.

  Raises errors.DataError: it is none, or a field is spelled almost as one that
  is read.
  """
  if not isinstance(content, dict):
    raise errors.DataError(
        f"{path}: needs 'classes' (names); it is a {type(content).__name__}")
  for name in content:
    near = difflib.get_close_matches(name, _FIELDS, 1, 0.8)
    if name not in _FIELDS and near:
      raise errors.DataError(f"{path}: no field {name!r}; {near[0]!r} is meant")
  return content


def names(content: dict, path) -> tuple[str, ...]:
  """Names of the classes: a list, or {index: name} or {name: index}.

  Raises errors.DataError: there is none, two are equal, or indices have holes.
  """
  classes = content.get("classes")
  if isinstance(classes, dict):
    classes = _ordered(classes, path)
  if not isinstance(classes, list) or not classes or not all(
      isinstance(x, str | int) for x in classes):
    raise errors.DataError(
        f"{path}: needs 'classes', the names in the order of their indices, "
        'e.g. {"classes": ["background", "leaf"]}')
  result = tuple(str(x) for x in classes)
  twice = next((x for x in result if result.count(x) > 1), None)
  if twice is not None:
    raise errors.DataError(
        f"{path}: two classes are called {twice!r}; masks drawn in several "
        "values for one class are mapped by 'values'")
  return result


def colors(content: dict, classes: tuple[str, ...], path) -> np.ndarray:
  """uint8 [C, 3]; without any in the file those of PASCAL VOC.

  Raises:
    errors.DataError: they are not one [r, g, b] of 0 to 255 for each class.
  """
  given = content.get("colours", content.get("colors"))
  if given is None:
    return pascal.palette(max(len(classes), 1))
  if isinstance(given, dict):
    given = [given.get(name) for name in classes]
  try:
    result = np.asarray(given)
    valid = result.dtype.kind in "iu" and result.ndim == 2 and (
        result.shape[1] == 3 and 0 <= result.min() and result.max() <= 255)
  except (TypeError, ValueError, OverflowError):
    valid = False
  if not valid:
    raise errors.DataError(
        f"{path}: 'colours' needs one [r, g, b] of 0 to 255 for each class, "
        "in their order")
  if len(result) != len(classes):
    raise errors.DataError(
        f"{path}: {len(classes)} classes, but {len(result)} colours")
  return result.astype(np.uint8)


def number(content: dict, name: str, default: int, path) -> int:
  """A field that is a whole number.

  Raises errors.DataError: it is none.
  """
  value = content.get(name, default)
  if isinstance(value, bool) or not isinstance(value, int | float | str) or (
      not str(value).removeprefix("-").isdecimal()):
    raise errors.DataError(
        f"{path}: {name!r} is {value!r}; it is a whole number")
  return int(value)


def _ordered(classes, path):
  """Names in the order of the indices that a dictionary gives them."""
  by_index = {}
  for key, value in classes.items():
    index, name = (key, value) if str(key).isdecimal() else (value, key)
    if not str(index).isdecimal():
      raise errors.DataError(
          f"{path}: 'classes' says neither index nor name with "
          f"{key!r}: {value!r}")
    if int(index) in by_index:
      raise errors.DataError(f"{path}: two classes have the index {index}")
    by_index[int(index)] = name
  missing = sorted(set(range(len(by_index))) - set(by_index))
  if missing:
    raise errors.DataError(
        f"{path}: no class has the index {missing[0]}, but {max(by_index)} is "
        "one; number them from 0 on, and map other values in masks by "
        '\'values\', e.g. "values": {"0": 0, "2": 1}')
  return [by_index[i] for i in range(len(by_index))]

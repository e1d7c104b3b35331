"""What classes.json says, checked: one line that names what is wrong."""

import difflib

import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import pascal

_FIELDS = ("classes", "colours", "colors", "ignore_index", "channels", "flip",
           "values", "masks", "ignore_colours", "ignore_colors", "annotations")


def checked(content, path) -> dict:
  """The file's content, which must be an object.

  Raises errors.DataError: it is none, a field is spelled almost as one that is
  read, or stands there in both spellings.
  """
  if not isinstance(content, dict):
    raise errors.DataError(
        f"{path}: needs 'classes' (names); it is a {type(content).__name__}")
  for name in content:
    near = difflib.get_close_matches(name, _FIELDS, 1, 0.8)
    if name not in _FIELDS and near:
      raise errors.DataError(f"{path}: no field {name!r}; {near[0]!r} is meant")
  for name, american in (("colours", "colors"),
                         ("ignore_colours", "ignore_colors")):
    if name in content and american in content:
      raise errors.DataError(
          f"{path}: has {name!r} and {american!r}, which mean the same: keep "
          "one")
  return content


def names(content: dict, path) -> tuple[str, ...]:
  """Names of the classes: a list, or {index: name} or {name: index}.

  Raises errors.DataError: there is none, one is empty, two are equal, or
  indices have holes.
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
  if not all(x.strip() for x in result):
    raise errors.DataError(
        f"{path}: 'classes' has an empty name; give each class one")
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
  result = _colors(given)
  if result is None:
    raise errors.DataError(
        f"{path}: 'colours' needs one [r, g, b] of 0 to 255 for each class, "
        "in their order")
  if len(result) != len(classes):
    raise errors.DataError(
        f"{path}: {len(classes)} classes, but {len(result)} colours")
  return result


def ignored_colors(content: dict, path) -> tuple[tuple[int, int, int], ...]:
  """Colours of pixels that do not count.

  Raises errors.DataError: they are no list of [r, g, b] of 0 to 255.
  """
  given = content.get("ignore_colours", content.get("ignore_colors", []))
  result = [] if given == [] else _colors(given)
  if result is None:
    raise errors.DataError(
        f"{path}: 'ignore_colours' is a list of [r, g, b] of 0 to 255")
  return tuple((int(r), int(g), int(b)) for r, g, b in result)


def values(content: dict, num_classes: int, ignore_index: int, path
           ) -> dict[int, int] | None:
  """{drawn value: class index or `ignore_index`}; None: there is no mapping.

  Raises errors.DataError: it maps something else than whole numbers, or to a
  class that does not exist.
  """
  given = content.get("values")
  if given is None:
    return None
  if not isinstance(given, dict) or not all(
      str(k).isdecimal() and _is_whole(v) for k, v in given.items()):
    raise errors.DataError(
        f"{path}: 'values' maps drawn values to class indices, as "
        '{"0": 0, "255": 1}')
  result = {int(k): int(v) for k, v in given.items()}
  for index in result.values():
    if index != ignore_index and not 0 <= index < num_classes:
      raise errors.DataError(
          f"{path}: 'values' names class {index}, but there are {num_classes} "
          f"classes (0 to {num_classes - 1})")
  return result


def number(content: dict, name: str, default: int, path) -> int:
  """A field that is a whole number.

  Raises errors.DataError: it is none.
  """
  value = content.get(name, default)
  if not _is_whole(value):
    raise errors.DataError(
        f"{path}: {name!r} is {value!r}; it is a whole number")
  return int(value)


def _is_whole(value):
  """Whether a number, or a text that holds one, is a whole number."""
  return isinstance(value, int | float | str) and (
      str(value).removeprefix("-").isdecimal())


def _colors(given):
  """uint8 [n, 3], or None where that is not what is given."""
  try:
    result = np.asarray(given)
    valid = result.dtype.kind in "iu" and result.ndim == 2 and (
        result.shape[1] == 3 and 0 <= result.min() and result.max() <= 255)
  except (TypeError, ValueError, OverflowError):
    return None
  return result.astype(np.uint8) if valid else None


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

"""What mirroring an image does to a data set's classes.

A rule is a permutation of the classes, those that a mirror image exchanges
(left eye and right eye), or None: mirror images are no images of the set.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import json
import re

import numpy as np

from semseg_jax.data import errors

Rule = tuple[int, ...] | None

_SIDES = {"left": "right", "right": "left", "l": "r", "r": "l", "lt": "rt",
          "rt": "lt"}


def default(class_names: Sequence[str]) -> Rule:
  """The rule of a set that states none.

  No class changes; where names tell left from right, there are no flips: only
  the set's maker knows what is mirrored with the names.
  """
  return None if sided(class_names) else tuple(range(len(class_names)))


def stated(value, class_names: Sequence[str], where: str) -> Rule:
  """The rule that a file states.

  Args:
    value: "none", "horizontal", or {class: the class it becomes}, names or
      indices, each pair once or both ways.
    class_names: of the set.
    where: the file, for messages.

  Raises errors.DataError: it is none of these, or no exchange.
  """
  if value == "none":
    return None
  rule = list(range(len(class_names)))
  if value == "horizontal":
    return tuple(rule)
  if not isinstance(value, Mapping) or not value:
    raise errors.DataError(
        f"{where}: 'flip' is {json.dumps(value)}; write \"none\" (no flips), "
        '"horizontal" or the classes that a mirror image exchanges, '
        '{"left_eye": "right_eye"}')
  for a, b in value.items():
    a, b = (_index(x, class_names, where) for x in (a, b))
    if rule[a] not in (a, b) or rule[b] not in (a, b):
      raise errors.DataError(
          f"{where}: 'flip' exchanges {class_names[a]!r} or "
          f"{class_names[b]!r} with two classes")
    rule[a], rule[b] = b, a
  return tuple(rule)


def sided(class_names: Sequence[str]) -> list[tuple[str, str]]:
  """[(class, its counterpart or "")] of the names that tell a side."""
  pairs = []
  for name in class_names:
    words = re.split(r"([^a-z]+)", _spaced(name))
    for i, word in enumerate(words):
      if word not in _SIDES:
        continue
      other = "".join([*words[:i], _SIDES[word], *words[i + 1:]])
      partner = next((n for n in class_names if _spaced(n) == other), "")
      if not partner and word not in ("left", "right"):
        continue  # a letter alone says nothing
      if (partner, name) not in pairs:
        pairs.append((name, partner))
      break
  return pairs


def mirrored(label: np.ndarray, rule: Rule) -> np.ndarray:
  """Labels [H, W] of the mirror image; other values than classes stay."""
  flipped = label[:, ::-1]
  if rule is None or rule == tuple(range(len(rule))):
    return flipped
  table = np.arange(256, dtype=label.dtype)
  table[:len(rule)] = rule
  return table[flipped]


def exchanges(rule: Rule) -> bool:
  """Whether a mirror image exchanges classes."""
  return rule is not None and tuple(rule) != tuple(range(len(rule)))


def _index(name, class_names, where):
  if name in class_names:
    return list(class_names).index(name)
  try:
    index = int(name)
  except (TypeError, ValueError):
    index = -1
  if not 0 <= index < len(class_names):
    raise errors.DataError(
        f"{where}: 'flip' names {name!r}, which is no class; there are "
        f"{', '.join(class_names)}")
  return index


def _spaced(name):
  """leftEye -> left_eye, so that words can be told apart."""
  return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(name)).lower()

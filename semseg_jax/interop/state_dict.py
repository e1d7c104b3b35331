"""Checked reading of other projects' state dicts (names to NumPy arrays).

An importer takes every entry once, by name, and then calls `finish`: an entry
that is missing, misshapen or left over is an error that names it.
"""

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np


class Reader:
  """Hands out a state dict's entries and remembers which were taken.

  Attributes:
    kind: what is being read; the first word of every error message.
  """

  def __init__(self, state_dict: Mapping[str, np.ndarray], kind: str,
               unused: tuple[str, ...] = ()):
    """`unused`: entries whose names start so are left out."""
    if not isinstance(state_dict, Mapping):
      raise ValueError(
          f"{kind}: expected a mapping from names to arrays, found "
          f"{type(state_dict).__name__}")
    self.kind = kind
    self._entries = state_dict if not unused else {
        n: v for n, v in state_dict.items() if not n.startswith(unused)}
    self._taken = set()
    for name, value in self._entries.items():
      if not (hasattr(value, "shape") and hasattr(value, "dtype")):
        raise ValueError(
            f"{kind}: entry {name!r} is {type(value).__name__}, not an array; "
            "is this a whole checkpoint rather than one network's state dict?")

  def __contains__(self, name: str) -> bool:
    return name in self._entries

  def names(self, prefix: str = "") -> list[str]:
    """The entries whose names start with `prefix`, in the original's order."""
    return [name for name in self._entries if name.startswith(prefix)]

  def count(self, prefix: str) -> int:
    """One more than the largest number that follows `prefix` in a name."""
    numbers = [name[len(prefix):].split(".")[0] for name in self.names(prefix)]
    return max((int(n) + 1 for n in numbers if n.isdigit()), default=0)

  def shape(self, name: str, ndim: int | None = None) -> tuple[int, ...]:
    """The shape of an entry, for reading sizes off; checks its rank."""
    if name not in self._entries:
      raise ValueError(f"{self.kind}: entry {name!r} is missing")
    shape = tuple(self._entries[name].shape)
    if ndim is not None and len(shape) != ndim:
      raise ValueError(
          f"{self.kind}: entry {name!r} has shape {_text(shape)}, expected "
          f"{ndim} axes")
    return shape

  def take(self, name: str, shape: Sequence[int | None] | None = None
           ) -> np.ndarray:
    """The entry as float32 (floats), int64 (integers) or bool.

    Args:
      name: the original's name.
      shape: the shape it must have; None on an axis accepts any length.

    Raises ValueError: the entry is missing or has another shape.
    """
    if name not in self._entries:
      expected = "" if shape is None else f"; expected shape {_text(shape)}"
      raise ValueError(f"{self.kind}: entry {name!r} is missing{expected}")
    value = np.asarray(self._entries[name])
    if shape is not None and (
        len(shape) != value.ndim
        or any(e not in (None, f) for e, f in zip(shape, value.shape,
                                                  strict=True))):
      raise ValueError(
          f"{self.kind}: entry {name!r} has shape {_text(value.shape)}, "
          f"expected {_text(shape)}")
    self._taken.add(name)
    if value.dtype == np.bool_:
      return value
    integer = np.issubdtype(value.dtype, np.integer)
    return value.astype(np.int64 if integer else np.float32, copy=False)

  def finish(self):
    """Raises ValueError if an entry was never taken."""
    left = [name for name in self._entries if name not in self._taken]
    if left:
      listed = ", ".join(
          f"{n!r} {_text(self._entries[n].shape)}" for n in left[:5])
      more = f" and {len(left) - 5} more" if len(left) > 5 else ""
      raise ValueError(
          f"{self.kind}: unexpected entries: expected none besides the "
          f"network's own, found {listed}{more}")

  def conv(self, name: str, shape=None) -> np.ndarray:
    """A convolution weight [O, I, h, w], returned as [h, w, I, O]."""
    return np.transpose(self.take(name, shape or (None,) * 4), (2, 3, 1, 0))

  def dense(self, name: str, shape=None) -> np.ndarray:
    """A linear layer's weight [O, I], returned as [I, O]."""
    return np.transpose(self.take(name, shape or (None,) * 2))


def _text(shape) -> str:
  return "[" + ", ".join("any" if s is None else str(s) for s in shape) + "]"

"""How many unreadable images a run lets pass; by default none."""

import contextlib
import contextvars
import threading

from absl import logging

from semseg_jax.data import errors

_limit = contextvars.ContextVar("max_unreadable_images", default=0)


@contextlib.contextmanager
def of(limit: int | None):
  """Data sets opened in the body may have up to `limit` broken images.

  None leaves the limit as it is: a data set may be made of others.
  """
  token = _limit.set(_limit.get() if limit is None else limit)
  try:
    yield
  finally:
    _limit.reset(token)


def check(broken: dict[str, str], where: str) -> None:
  """Raises if there are more than allowed: `broken` is {image: message}."""
  limit = _limit.get()
  if len(broken) <= limit:
    return
  first = next(iter(broken.values()))
  if limit == 0:
    raise errors.DataError(first)
  raise errors.DataError(
      f"{where}: {len(broken)} broken images, and faults.max_unreadable_images "
      f"allows {limit}; the first: {first}")


class Skipping:
  """A source in whose stead of an image that cannot be read the next comes.

  The choice depends on the files alone, so a resumed run sees the same
  images. Each is named once; one more than `limit` raises errors.DataError.
  """

  def __init__(self, source, limit: int):
    self._source, self._limit = source, limit
    self._broken, self._lock = {}, threading.Lock()

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int):
    for i in range(index, index + len(self)):
      i %= len(self)
      try:
        return self._source[i]
      except errors.DataError as error:
        self._count(i, error)
    raise errors.DataError("no image of the data set can be read")

  def _count(self, index, error):
    with self._lock, of(self._limit):
      if index in self._broken:
        return
      self._broken[index] = str(error)
      check(self._broken, "training data")
      logging.warning("left out, %d of at most %d broken images: %s",
                      len(self._broken), self._limit, error)

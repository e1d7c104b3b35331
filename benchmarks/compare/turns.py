"""Comparisons that get ready at the same time and are timed in turns.

Most of a comparison's time on an accelerator goes into starting processes and
compiling, which several can do at once; nothing else may run while one is
timed.
"""

import atexit
import fcntl
import os
import pathlib
import time

# Seconds for which one that is ready waits for the others.
_PATIENCE = 120.0


class Turns:
  """What `count` comparisons share through a folder.

  Attributes:
    folder: a new one for each group.
    count: comparisons of the group.
  """

  def __init__(self, folder: str, count: int):
    self._folder, self._count = pathlib.Path(folder), count
    self._folder.mkdir(parents=True, exist_ok=True)
    atexit.register(self.ready)  # One that fails keeps nobody waiting.

  @classmethod
  def parse(cls, text: str):
    """From "4:FOLDER"; None without text."""
    if not text:
      return None
    count, _, folder = text.partition(":")
    if not count.isdigit() or not folder:
      raise ValueError(f"--turns={text}: expected COUNT:FOLDER")
    return cls(folder, int(count))

  def ready(self):
    """Says that this process compiles no more."""
    (self._folder / f"{os.getpid()}.ready").touch()

  def __enter__(self):
    self.ready()
    end = time.monotonic() + _PATIENCE
    while (len(list(self._folder.glob("*.ready"))) < self._count
           and time.monotonic() < end):
      time.sleep(0.05)
    self._lock = (self._folder / "lock").open("w")
    fcntl.flock(self._lock, fcntl.LOCK_EX)

  def __exit__(self, *error):
    self._lock.close()

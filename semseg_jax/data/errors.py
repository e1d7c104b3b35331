"""The errors that unusable data raises: a single line naming the file."""

import os


class DataError(ValueError):
  """Data the user has to mend; the message names file or field and the cure."""


class AbsentError(DataError):
  """A download that is not there at all, as against one that is broken."""


def few(things, most: int = 6) -> str:
  """The first of some things, for a message."""
  things = [str(x) for x in things]
  return ", ".join(things[:most]) + (", ..." if len(things) > most else "")


def misnamed(path) -> str:
  """The message for a file whose name is not UTF-8; "" where it is.

  Such names come from old archives; nothing that lists ids can hold them.
  """
  shown = os.fsencode(path).decode(errors="backslashreplace")
  return "" if shown == os.fspath(path) else (
      f"{shown}: the file's name is not UTF-8; rename it")

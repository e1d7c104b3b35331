"""Text files of users and of what they name: JSON, XML, paths in them."""

import contextlib
import json
import pathlib
from xml.etree import ElementTree

from semseg_jax.data import errors

_MAX_TEXT = 1 << 30


def read_text(path) -> str:
  """The content of a text file in UTF-8, without a byte order mark.

  Raises errors.DataError: it cannot be read.
  """
  try:
    with open(path, "rb") as file:
      content = file.read(_MAX_TEXT + 1)
  except OSError as e:
    raise errors.DataError(f"{path}: cannot be read ({e.strerror})") from e
  if len(content) > _MAX_TEXT:
    raise errors.DataError(f"{path}: more than {_MAX_TEXT >> 20} MiB")
  try:
    return content.decode("utf-8-sig")
  except UnicodeDecodeError as e:
    raise errors.DataError(f"{path}: not a UTF-8 text file") from e


def read_json(path):
  """The content of a JSON file.

  Raises errors.DataError: it cannot be read.
  """
  text = read_text(path)
  try:
    return json.loads(text)
  except RecursionError as e:
    raise errors.DataError(f"{path}: JSON nested too deeply") from e
  except ValueError as e:
    raise errors.DataError(f"{path}: not valid JSON ({e})") from e


def read_xml(path) -> ElementTree.Element:
  """The root of an XML file; document types and entities are refused.

  Raises errors.DataError: it cannot be read.
  """
  text = read_text(path)
  if "<!DOCTYPE" in text or "<!ENTITY" in text:
    raise errors.DataError(
        f"{path}: XML with a document type, which no annotation has")
  try:
    return ElementTree.fromstring(text.encode())
  except (
      ElementTree.ParseError, LookupError, ValueError, RecursionError) as e:
    raise errors.DataError(f"{path}: not valid XML ({e})") from e


@contextlib.contextmanager
def parsing(what: str):
  """Names `what` ("FILE: not a ... file") where its content is not as expected.

  Raises errors.DataError: also where the body raises one, which is passed on.
  """
  try:
    yield
  except errors.DataError:
    raise
  except (KeyError, TypeError, ValueError, IndexError, AttributeError) as e:
    raise errors.DataError(f"{what} ({type(e).__name__}: {e})") from e


def relative(name: str, where: str) -> pathlib.PurePosixPath:
  """Path of an image below its folder, as annotations name it; of a path of
  another machine, or one that leads out of the folder, the last part.

  Raises errors.DataError: it is empty.
  """
  path = pathlib.PurePosixPath(str(name).replace("\\", "/"))
  leads_out = ".." in path.parts or path.is_absolute() or ":" in str(path)
  path = pathlib.PurePosixPath(path.name) if leads_out else path
  if path.name in ("", ".."):
    raise errors.DataError(f"{where}: an image without a name ({name!r})")
  return path


def below(root: pathlib.Path, name: str, where: str) -> pathlib.Path:
  """`root`/`name`, which must not lead out of the root."""
  parts = pathlib.PurePosixPath(str(name).replace("\\", "/")).parts
  if "\0" in str(name) or ".." in parts or not parts:
    raise errors.DataError(f"{where}: {name!r} leads out of the folder")
  return root.joinpath(*parts)

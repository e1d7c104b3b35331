"""Lists of image ids: text files with one id a line."""

from collections.abc import Iterable
from collections.abc import Sequence
import hashlib
import pathlib
import re

from semseg_jax.data import errors

MAX_BYTES = 256 << 20  # millions of ids; more is no list
_SHIPPED = pathlib.Path(__file__).parent / "splits"


def shipped(name: str) -> dict[str, tuple[str, ...]]:
  """Split -> ids, of the lists that this project brings for a data set."""
  return {path.stem: read(path)
          for path in sorted((_SHIPPED / name).glob("*.txt"))
          if not path.stem.startswith("order_")}


def label_orders(name: str, pool: Sequence[str]) -> dict[str, tuple[str, ...]]:
  """`Dataset.lists` of the label orders that this project brings.

  splits/<name>/order_of_<n>_seed<s>.txt holds positions from 0 in a labeled
  pool of n images, in the order in which they get labels: subsets of any count
  that no random number generator can change.

  Args:
    pool: ids of its labeled pool; one of another size has no such lists.
  """
  orders = {}
  for path in sorted((_SHIPPED / name).glob(
      f"order_of_{len(pool)}_seed*.txt")):
    ids = tuple(pool[int(position)] for position in read(path))
    orders[f"labeled_{len(ids)}_{path.stem.rpartition('_')[2]}"] = ids
  return orders


def class_names(name: str) -> tuple[str, ...]:
  """Names of classes that are too many for a module."""
  return read(_SHIPPED.parent / "classes" / f"{name}.txt")


def hashed(ids: Iterable[str]) -> list[str]:
  """The ids by the SHA-256 of their text: an order without any meaning.

  Splits that no publication states are cut from it.
  """
  return sorted(ids, key=lambda x: hashlib.sha256(x.encode()).digest())


def read(path: pathlib.Path, root: pathlib.Path | None = None
         ) -> tuple[str, ...]:
  """The ids of a list file; empty lines are skipped, repeats refused.

  An id names files below the data set's folders: one that leads out of them is
  refused.

  Args:
    root: of the data set; lines may name files by their whole paths.
  """
  try:
    if path.stat().st_size > MAX_BYTES:
      raise errors.DataError(
          f"{path}: more than {MAX_BYTES >> 20} MiB; this is no list of ids")
    text = path.read_text(encoding="utf-8-sig")
    if root is not None:
      text = text.replace(f"{root}/", "")
    ids = tuple(
        _two_paths(x.strip()) for x in text.split("\n") if x.strip())
  except FileNotFoundError as e:
    raise errors.DataError(f"{path}: list file is missing") from e
  except UnicodeDecodeError as e:
    raise errors.DataError(
        f"{path}: not a text file in UTF-8; save it as one") from e
  except OSError as e:
    raise errors.DataError(f"{path}: cannot be read ({e.strerror})") from e
  for x in ids:
    if "\0" in x or x.startswith("/") or ".." in x.split("/"):
      raise errors.DataError(
          f"{path}: {x!r} is no id: it leads out of the data set's folders")
  if len(set(ids)) != len(ids):
    seen = set()
    twice = next(x for x in ids if x in seen or seen.add(x))
    raise errors.DataError(f"{path}: id {twice!r} stands there twice")
  return ids


def root(name: str, data_dir: str | None,
         folder: str = "the folder they are in", of: str = "") -> pathlib.Path:
  """`data_dir`, a folder that is there.

  Args:
    name: of the data set.
    folder, of: what it is to be and what it holds, for messages.
  """
  if not data_dir:
    raise errors.DataError(
        f"data.data_dir: data set {name!r} is read from files; give {folder}")
  path = pathlib.Path(data_dir).expanduser().absolute()
  if not path.is_dir():
    raise errors.DataError(f"data.data_dir: there is no folder {path}{of}")
  return path


def locate(name: str, data_dir: str | None, marker: str) -> pathlib.Path:
  """The data set's folder: `data_dir` or `data_dir`/`name`.

  `marker` is a file or folder that lies in every such folder.
  """
  path = root(name, data_dir)
  for folder in (path, path / name):
    if (folder / marker).exists():
      return folder
  raise errors.DataError(
      f"data.data_dir: no {marker!r} in {path} (nor in {path / name}), so "
      f"this is not the data set {name!r}")


def _two_paths(line):
  """A line "/image /mask" without the slashes of its data set's root."""
  if re.fullmatch(r"/\S+[\s,;]+/\S+", line):
    return re.sub(r"(^|[\s,;])/+", r"\1", line)
  return line

"""Variables that exist already: of earlier stages, of converted files.

Where `workdir` is None nothing is read: the arrays' shapes and types come back
instead, for planning.
"""

import functools
import pathlib
from typing import Any
import zlib

from etils import epath

from semseg_jax import interop
from semseg_jax.training import checkpoint

_BLOCK = 1 << 24  # bytes read at once


def restored(workdir, stage: str, abstract, needed_by: str, *, step=None):
  """A part of a trained stage's state.

  Args:
    workdir: the run's folder, or None.
    stage: its name.
    abstract: the part, of `jax.ShapeDtypeStruct`.
    needed_by: what wants it, for the message.
    step: folder -> step to take; None: the newest.

  Raises FileNotFoundError: the stage has no checkpoint.
  """
  if workdir is None:
    return abstract
  folder = epath.Path(workdir) / stage / "ckpt"
  if not epath.Path(workdir).exists():
    raise FileNotFoundError(
        f"{needed_by} needs the trained stage {stage!r}, but {workdir} is not "
        "there: train it first, by semseg-jax train with that --workdir, or "
        "correct the folder (--config.labels.run where that names it)")
  if not checkpoint.exists(folder):
    raise FileNotFoundError(
        f"{needed_by} needs the trained stage {stage!r}, but {folder} holds no "
        "checkpoint: train that stage first, by semseg-jax train with the same "
        "--workdir")
  return checkpoint.restore_subtree(
      folder, abstract, step=step(folder) if step else None)


def converted(path: str, field: str) -> dict[str, Any]:
  """Variables of a converted file to start from; {} where `path` is empty.

  Raises:
    FileNotFoundError: there is no such file; the message names the `field`.
  """
  if not path:
    return {}
  if not pathlib.Path(path).exists():
    raise FileNotFoundError(
        f"{field}: there is no file {path}; make it with "
        "semseg-jax convert")
  return dict(interop.load(path)[1])


def files(config) -> dict[str, str]:
  """{field with a file that methods read: its path}, of those that name one.

  The files of other fields are where training started from.
  """
  return {f"{block}.weights": path
          for block in ("generator", "encoder", "perceptual")
          if (path := config.get(block, {}).get("weights", ""))}


def digests(config) -> dict[str, int]:
  """{field of `files`: digest of its file}, of files that are there."""
  return {field: _digest(path, path.stat().st_size, path.stat().st_mtime_ns)
          for field, text in files(config).items()
          # An exported model's are within it.
          if (path := pathlib.Path(text)).is_file()}


@functools.lru_cache
def _digest(path: pathlib.Path, size: int, changed: int) -> int:
  """The file's size and CRC-32 as one number; read again when it changed."""
  del changed
  digest = 0
  with path.open("rb") as file:
    while block := file.read(_BLOCK):
      digest = zlib.crc32(block, digest)
  return size << 32 | digest

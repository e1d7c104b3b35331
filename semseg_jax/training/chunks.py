"""Resumable files of a long evaluation: each chunk's result is one npz file.

A total computed from the files is the same whether the evaluation ran through
or was interrupted and continued.
"""

import hashlib
import io
import json
import time
import zipfile

from absl import logging
from etils import epath
import numpy as np

from semseg_jax.training import run_dir

_FINGERPRINT = "__fingerprint__"
_OTHER = "holds results of other settings or checkpoints"
# What `read` raises of a file that is not as `write` left it.
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def fingerprint(value) -> str:
  """Short digest of anything JSON can hold: what a result depends on."""
  text = json.dumps(value, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()[:16]


def assigned(num_chunks: int, process: int, num_processes: int) -> range:
  """The chunks of one process: every num_processes-th, from its own number."""
  if not 0 <= process < num_processes:
    raise ValueError(f"process {process} is not one of {num_processes}")
  return range(process, num_chunks, num_processes)


class ChunkStore:
  """Results of chunks 0, 1, ... in `directory`, valid for one fingerprint.

  A file of another fingerprint, or an unreadable one, counts as not done, with
  a warning, and is replaced when its chunk is saved. Of another fingerprint
  are mostly all: that is said once.
  """

  def __init__(self, directory, fingerprint: str):
    self._directory = epath.Path(directory)
    self._fingerprint = fingerprint
    self._warned = False
    self._directory.mkdir(parents=True, exist_ok=True)

  def done(self, chunk: int) -> bool:
    """Whether a valid result of `chunk` is there."""
    fault = self._fault(chunk)
    if fault == _OTHER and not self._warned:
      self._warned = True
      logging.warning("%s %s: computed again", self._directory, fault)
    elif fault and fault != _OTHER:  # "" is no fault: there is no file
      logging.warning("%s %s: computed again", self._path(chunk), fault)
    return fault is None

  def wait(self, chunks, valid) -> None:
    """Returns when all of `chunks` are done, by whichever process.

    Args:
      chunks: their numbers.
      valid: arrays of one -> whether they are up to date.
    """
    for k in chunks:
      while self._fault(k) is not None or not valid(self.load(k)):
        time.sleep(1.0)

  def save(self, chunk: int, arrays: dict[str, np.ndarray]) -> None:
    """Writes the result of `chunk`; a reader sees all of it or nothing."""
    write(self._path(chunk),
          {**arrays, _FINGERPRINT: np.array(self._fingerprint)})

  def drop_others(self, assigned: range) -> None:
    """Removes results of other fingerprints before their files are replaced.

    Args:
      assigned: of this process; of the chunks after its last one those that
        would be its own go, too. No process touches those of another, which may
        just have been replaced.
    """
    for path in self._directory.glob("chunk_*.npz"):
      k = int(path.stem.removeprefix("chunk_"))
      if (k - assigned.start) % assigned.step == 0 and self._fault(k) == _OTHER:
        path.unlink(missing_ok=True)

  def load(self, chunk: int) -> dict[str, np.ndarray]:
    """The result of `chunk`; FileNotFoundError unless `done(chunk)`."""
    if not self.done(chunk):
      raise FileNotFoundError(
          f"no valid result of chunk {chunk} in {self._directory}: run the "
          "evaluation again, it computes what is missing")
    arrays = read(self._path(chunk))
    del arrays[_FINGERPRINT]
    return arrays

  def _fault(self, chunk) -> str | None:
    """None if a valid result is there, "" if none, else what is wrong."""
    path = self._path(chunk)
    if not path.exists():
      return ""
    try:
      stored = str(read(path).pop(_FINGERPRINT))
    except DAMAGED as error:
      return f"is unreadable ({error})"
    if stored != self._fingerprint:
      return _OTHER
    return None

  def _path(self, chunk):
    return self._directory / f"chunk_{chunk:05}.npz"


def write(path, arrays: dict[str, np.ndarray]) -> None:
  """Writes an npz file; a reader sees all of it or nothing."""
  data = io.BytesIO()
  np.savez_compressed(data, **arrays)
  run_dir.write_bytes(path, data.getvalue())


def read(path) -> dict[str, np.ndarray]:
  """The arrays of an npz file (an `epath.Path`)."""
  with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as z:
    return {name: z[name] for name in z.files}

"""Reads PyTorch checkpoint files and safetensors files without PyTorch.

A `.pt` file is a zip archive of one pickle and one raw file per storage (until
PyTorch 1.6: a series of pickles and raw numbers). The pickles are read by a
reader that cannot run code (see `unpickler`).
"""

import contextlib
import io
import json
import pathlib
import pickle
import struct
from typing import Any
import zipfile

import numpy as np
import safetensors
import safetensors.numpy

from semseg_jax.interop import unpickler

TorchFileError = unpickler.TorchFileError

_MAX_PICKLE = 256 << 20  # Bytes; the largest real ones have a few megabytes.
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
# How a file of the older format starts, after its pickle's first bytes.
MAGIC = pickle.dumps(_LEGACY_MAGIC, 2)[2:-1]


def existing(path) -> pathlib.Path:
  """The path of a file; FileNotFoundError: there is none."""
  path = pathlib.Path(path)
  if path.is_dir():
    raise FileNotFoundError(f"{path}: is a folder; give the file in it")
  if not path.is_file():
    raise FileNotFoundError(f"{path}: no such file")
  return path


def load(path, *, foreign: bool = False) -> Any:
  """What `torch.save` wrote to `path`, tensors as NumPy arrays.

  Tensors that share a storage are views of one array; bfloat16 tensors have
  the dtype ml_dtypes.bfloat16; an argparse.Namespace becomes a dict.

  Args:
    path: a `.pt` or `.pth` file, zip or legacy format.
    foreign: objects of other kinds become `unpickler.Foreign`, which hold
      nothing; else they are an error.

  Raises:
    FileNotFoundError: there is no such file.
    TorchFileError: the file is truncated, damaged, absurdly large, or holds
      objects other than tensors and plain containers (the message names them).
  """
  path = existing(path)
  with reading(path, "a PyTorch file"), path.open("rb") as file:
    start = file.read(4)
    file.seek(0)
    if start == b"PK\x03\x04":
      return _load_zip(path, file, foreign)
    return load_legacy(path, file, path.stat().st_size, foreign=foreign)


@contextlib.contextmanager
def reading(path, what: str):
  """Whatever goes wrong within as a TorchFileError that names the file."""
  try:
    yield
  except TorchFileError:
    raise
  except MemoryError as e:
    raise TorchFileError(
        f"{path}: asks for more memory than there is; damaged, or too large "
        "for this machine") from e
  except zipfile.BadZipFile as e:
    raise TorchFileError(
        f"{path}: damaged or truncated zip archive ({e}); fetch it again"
    ) from e
  except Exception as e:  # A damaged pickle can raise nearly anything.
    raise TorchFileError(
        f"{path}: damaged, or not {what} ({type(e).__name__}: {e})") from e


def load_safetensors(path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
  """Tensors and metadata of a safetensors file.

  `path` may also be MODEL.safetensors#FIELD: the file that a run's config named
  in FIELD, as an exported model holds it (`training.exported`).

  Raises:
    FileNotFoundError: there is no such file.
    TorchFileError: the file is damaged or truncated.
  """
  field = ""
  if "#" in str(path) and not pathlib.Path(path).is_file():
    path, _, field = str(path).rpartition("#")
  path = existing(path)
  prefix = f"files/{field}/" if field else ""
  try:
    with safetensors.safe_open(path, framework="numpy") as file:
      metadata = file.metadata() or {}
      tensors = {name.removeprefix(prefix): file.get_tensor(name)
                 for name in file.keys() if name.startswith(prefix)}
    if field:
      metadata = json.loads(metadata["meta"])["files"][field]
      tensors = {k: np.float32(v) if v.dtype == np.float16 else v
                 for k, v in tensors.items()}
    return tensors, metadata
  except (safetensors.SafetensorError, AttributeError, TypeError) as e:
    # The latter two: of a type that NumPy does not have.
    raise TorchFileError(
        f"{path}: not a readable safetensors file ({e})") from e


def _load_zip(path, file, foreign):
  with zipfile.ZipFile(file) as archive:
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    # Stored files cannot unpack to more than the archive: no zip bombs.
    if any(i.compress_type != zipfile.ZIP_STORED for i in archive.infolist()):
      raise TorchFileError(
          f"{path}: a compressed zip archive; PyTorch never compresses")
    if sum(sizes.values()) > path.stat().st_size:
      raise TorchFileError(f"{path}: claims more bytes than the file has")
    pickles = [name for name in sizes if name.endswith("/data.pkl")]
    if len(pickles) != 1:
      raise TorchFileError(
          f"{path}: a zip archive without one data.pkl: not a PyTorch file")
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}constants.pkl" in sizes:
      raise TorchFileError(
          f"{path}: a TorchScript archive; save the module's state_dict()")
    if f"{root}byteorder" in sizes and (
        archive.read(f"{root}byteorder") != b"little"):
      raise TorchFileError(f"{path}: big-endian files are not supported")
    if sizes[pickles[0]] > _MAX_PICKLE:
      raise TorchFileError(f"{path}: {pickles[0]} is absurdly large")
    storages = {}

    def storage(key, dtype, count):
      name = f"{root}data/{key}"
      if sizes.get(name, -1) < count * dtype.itemsize:
        raise TorchFileError(
            f"{path}: storage {name} is missing or shorter than "
            f"{count * dtype.itemsize} bytes")
      if key not in storages:
        storages[key] = archive.read(name)
      return np.frombuffer(storages[key], dtype, count)

    data = io.BytesIO(archive.read(pickles[0]))
    return unpickler.Unpickler(
        data, path, storage, foreign=foreign).load()


def load_legacy(path, file, size: int, *, foreign: bool = False) -> Any:
  """Reads magic number, protocol, platform, object, storage keys, storages.

  Args:
    path: for messages.
    file: binary file of the older format.
    size: of what it holds, in bytes.
    foreign: see `load`.
  """
  try:
    magic, protocol, system = (
        unpickler.Unpickler(file, path).load() for _ in range(3))
  except (pickle.UnpicklingError, EOFError) as e:
    raise TorchFileError(
        f"{path}: neither a zip archive nor an older PyTorch file ({e})"
    ) from e
  if magic != _LEGACY_MAGIC or protocol != _LEGACY_PROTOCOL:
    raise TorchFileError(f"{path}: a pickle, but not a PyTorch file")
  if not system["little_endian"]:
    raise TorchFileError(f"{path}: big-endian files are not supported")
  # The numbers follow the object: hand out arrays now, fill them afterwards.
  arrays, total = {}, 0

  def storage(key, dtype, count):
    nonlocal total
    if key not in arrays:
      total += count * dtype.itemsize
      if total > size:
        raise TorchFileError(
            f"{path}: truncated: its tensors have {total} bytes or more")
      arrays[key] = np.empty(count, dtype)
    return arrays[key]

  result = unpickler.Unpickler(file, path, storage, foreign=foreign).load()
  keys = unpickler.Unpickler(file, path).load()
  if set(keys) != set(arrays):
    raise TorchFileError(f"{path}: its storages are not those of its tensors")
  for key in keys:
    array = arrays[key]
    count = file.read(8)
    data = file.read(array.nbytes)
    if count != struct.pack("<q", array.size) or len(data) != array.nbytes:
      raise TorchFileError(f"{path}: storage {key} is truncated or misshapen")
    array.view(np.uint8)[:] = np.frombuffer(data, np.uint8)
  return result

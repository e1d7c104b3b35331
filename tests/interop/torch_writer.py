"""Writes PyTorch checkpoint files without PyTorch, for tests."""

import io
import pickle
import struct
import sys
import types
import zipfile

import ml_dtypes
import numpy as np

STORAGES = {
    np.dtype(np.float32): "FloatStorage",
    np.dtype(np.float64): "DoubleStorage",
    np.dtype(np.float16): "HalfStorage",
    np.dtype(ml_dtypes.bfloat16): "BFloat16Storage",
    np.dtype(np.int64): "LongStorage",
    np.dtype(np.int32): "IntStorage",
    np.dtype(np.uint8): "ByteStorage",
    np.dtype(np.bool_): "BoolStorage",
}


class Tensor:
  """A strided view of a 1-D array, its storage."""

  def __init__(self, storage, shape=None, stride=None, offset=0):
    storage = np.asarray(storage)
    if shape is None:
      shape = storage.shape
      stride = [int(np.prod(shape[i + 1:])) for i in range(len(shape))]
      storage = storage.reshape(-1)
    self.storage = storage
    self.shape, self.stride, self.offset = tuple(shape), tuple(stride), offset


class Storage:

  def __init__(self, array):
    self.array = array


def tensors(arrays):
  """A state dict of arrays as one of tensors."""
  return {name: Tensor(value) for name, value in arrays.items()}


def save(path, value, *, legacy=False):
  """What torch.save(value, path) would have written."""
  storages = []
  data = _pickle(value, storages, legacy)
  if legacy:
    parts = [pickle.dumps(x, protocol=2) for x in (
        0x1950A86A20F9469CFC6C, 1001,
        {"protocol_version": 1001, "little_endian": True, "type_sizes": {}})]
    parts += [data, pickle.dumps([str(i) for i in range(len(storages))], 2)]
    for array in storages:
      parts += [struct.pack("<q", array.size), array.tobytes()]
    path.write_bytes(b"".join(parts))
    return
  with zipfile.ZipFile(path, "w") as archive:
    archive.writestr("archive/data.pkl", data)
    archive.writestr("archive/byteorder", "little")
    for i, array in enumerate(storages):
      archive.writestr(f"archive/data/{i}", array.tobytes())
    archive.writestr("archive/version", "3\n")


def _pickle(value, storages, legacy):
  """Pickles `value`, naming globals of a stand-in for torch."""
  torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
  torch._utils = utils

  def rebuild(*args):
    raise AssertionError("only its name is used")

  rebuild.__module__ = "torch._utils"
  rebuild.__name__ = rebuild.__qualname__ = "_rebuild_tensor_v2"
  utils._rebuild_tensor_v2 = rebuild
  for name in STORAGES.values():
    setattr(torch, name, type(name, (), {"__module__": "torch"}))
  numbers = {}

  class Pickler(pickle.Pickler):

    def reducer_override(self, obj):
      if isinstance(obj, Tensor):
        return rebuild, (Storage(obj.storage), obj.offset, obj.shape,
                         obj.stride, False, {})
      return NotImplemented

    def persistent_id(self, obj):
      if not isinstance(obj, Storage):
        return None
      if id(obj.array) not in numbers:
        numbers[id(obj.array)] = str(len(storages))
        storages.append(obj.array)
      kind = getattr(torch, STORAGES[obj.array.dtype])
      key = numbers[id(obj.array)]
      view = (None,) if legacy else ()
      return ("storage", kind, key, "cpu", obj.array.size, *view)

  buffer = io.BytesIO()
  before = {n: sys.modules.get(n) for n in ("torch", "torch._utils")}
  sys.modules.update({"torch": torch, "torch._utils": utils})
  try:
    Pickler(buffer, protocol=2).dump(value)
  finally:
    for name, module in before.items():
      if module is None:
        del sys.modules[name]
      else:
        sys.modules[name] = module
  return buffer.getvalue()

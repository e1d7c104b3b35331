"""A pickle reader that knows tensors and plain containers, and nothing else.

Unpickling calls what the file names. Here a name is looked up in a fixed list
of harmless functions of our own; one that is not on it is an error, and nothing
that a file names is ever imported.
"""

import collections
from collections.abc import Callable
import math
import pickle
import pickletools
from typing import NamedTuple

import ml_dtypes
import numpy as np

_DTYPES = {
    "Float": np.dtype(np.float32), "Double": np.dtype(np.float64),
    "Half": np.dtype(np.float16), "BFloat16": np.dtype(ml_dtypes.bfloat16),
    "Long": np.dtype(np.int64), "Int": np.dtype(np.int32),
    "Short": np.dtype(np.int16), "Char": np.dtype(np.int8),
    "Byte": np.dtype(np.uint8), "Bool": np.dtype(np.bool_),
}
_MEMO = ("PUT", "BINPUT", "LONG_BINPUT")
MAX_BYTES = 8 << 30  # Of a pickle that holds its numbers itself.
_MAX_EXPANDED = 1 << 28  # Numbers in a tensor that repeats its storage.


# What a file names from here wants to act, not to hold data.
_ACTING = ("builtins", "__builtin__", "os", "posix", "nt", "sys", "subprocess",
           "importlib", "runpy", "pickle", "ctypes", "socket", "shutil",
           "webbrowser", "code", "pty", "commands", "operator", "functools")


# What a file names from builtins without wanting to act.
_BUILTINS = ("bool", "bytearray", "bytes", "complex", "dict", "float",
             "frozenset", "int", "list", "long", "object", "range", "slice",
             "str", "tuple", "unicode", "xrange", "Ellipsis")


class TorchFileError(ValueError):
  """The file is not one that can be read; the message says why."""


class Foreign:
  """Stands for an object of a kind that is not read; holds nothing.

  A pickle may make one, call it and fill it as it likes: nothing happens.

  Attributes:
    kind: the kind's name in the file.
  """
  __slots__ = ()
  kind = ""

  def __new__(cls, *args, **kwargs):
    del args, kwargs
    return super().__new__(cls)

  def __init__(self, *args, **kwargs):
    del args, kwargs

  def __call__(self, *args, **kwargs):
    del args, kwargs
    return self

  def __setstate__(self, state):
    del state

  def __setitem__(self, key, value):
    del key, value

  def append(self, value):
    del value

  def extend(self, values):
    del values

  def add(self, value):
    del value


class Unpickler(pickle.Unpickler):
  """Unpickles `file`.

  Args:
    file: binary file, read from its position on.
    path: for messages.
    storage: (key, dtype, count) -> 1-D array of a tensor's numbers; None if
      the pickle may not hold tensors.
    foreign: objects of other kinds become `Foreign` instead of an error, but
      for what would act rather than hold data.
    functions: {(module, name): function} to allow besides.
    types: the same for classes that the pickle may make and fill.

  Raises (on load):
    TorchFileError: the pickle names something that is not on the list.
    Other exceptions: it is damaged.
  """

  def __init__(self, file, path, storage: Callable | None = None, *,
               foreign: bool = False, functions=None, types=None):
    super().__init__(file, encoding="utf-8")
    self._foreign = foreign
    self._functions = _FUNCTIONS | (functions or {})
    self._types = _TYPES | (types or {})
    self._stand_ins = {}
    self._file = file
    self._path = path
    self._storage = storage

  def load(self):
    self._check_memo()
    return super().load()

  def _check_memo(self):
    """Refuses memo indices that no pickle of this size has.

    Python's reader allocates memory up to the index, gigabytes if asked.
    """
    start = self._file.tell()
    for count, (opcode, index, _) in enumerate(pickletools.genops(self._file)):
      if opcode.name in _MEMO and index > count:
        raise TorchFileError(
            f"{self._path}: damaged: memo index {index} of a pickle that so "
            f"far has {count} operations")
    self._file.seek(start)

  def find_class(self, module, name):
    if self._foreign and (module, name) == ("numpy", "dtype"):
      return _Function(self._dtype)
    if (module, name) in self._types:
      return self._types[module, name]
    if (module, name) in self._functions:
      return _Function(self._functions[module, name])
    dtype = _DTYPES.get(name.removesuffix("Storage"))
    if module == "torch" and name.endswith("Storage") and dtype is not None:
      return _StorageType(dtype)
    holds = module in ("builtins", "__builtin__") and name in _BUILTINS
    acts = module.partition(".")[0] in _ACTING or "." in name
    if self._foreign and (holds or not acts):
      return self._stand_in(f"{module}.{name}")
    raise TorchFileError(
        f"{self._path}: holds {module}.{name}, which is neither a tensor nor a "
        "plain container; it was not run. Save state dicts alone")

  def _stand_in(self, key):
    if key not in self._stand_ins:
      self._stand_ins[key] = type(
          "Foreign", (Foreign,), {"__slots__": (), "kind": key})
    return self._stand_ins[key]

  def _dtype(self, *args):
    try:
      return _NumpyDtype(*args)
    except ValueError:  # of objects or records, whose array is not read
      return self._stand_in("numpy.dtype")()

  def persistent_load(self, pid):
    if self._storage is None or not isinstance(pid, tuple) or len(pid) < 5:
      raise TorchFileError(f"{self._path}: unexpected reference {pid!r}")
    tag, kind, key, _, count, *view = pid
    if tag != "storage" or not isinstance(kind, _StorageType) or any(view):
      raise TorchFileError(f"{self._path}: unexpected reference {pid!r}")
    if not isinstance(count, int) or count < 0:
      raise TorchFileError(f"{self._path}: storage {key} of size {count!r}")
    return self._storage(key, kind.dtype, count)


class _StorageType(NamedTuple):
  dtype: np.dtype


class _Function:
  """A function that a pickle may call but not change."""
  __slots__ = ("_function",)

  def __init__(self, function):
    self._function = function

  def __call__(self, *args):
    return self._function(*args)

  def __setstate__(self, state):
    raise ValueError("a pickle sets attributes of a function")


class Attributes(dict):
  """An object as a dict: its pickle may also set items as attributes."""

  def __setstate__(self, state):
    self.update(state)


def _tensor(storage, offset, shape, stride, *unused):
  """A strided view of a storage."""
  del unused  # requires_grad, backward hooks, metadata.
  shape, stride = tuple(shape), tuple(stride)
  numbers = (offset, *shape, *stride)
  if not isinstance(storage, np.ndarray) or len(shape) != len(stride) or any(
      not isinstance(n, int) or n < 0 for n in numbers):
    raise ValueError(f"tensor of shape {shape}, stride {stride}")
  size = math.prod(shape)
  if size == 0:
    return np.empty(shape, storage.dtype)
  last = offset + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
  if last >= storage.size:
    raise ValueError(
        f"tensor of shape {shape} reaches beyond its {storage.size} numbers")
  if size > max(storage.size, _MAX_EXPANDED):
    raise ValueError(f"tensor of shape {shape} repeats its numbers absurdly")
  return np.lib.stride_tricks.as_strided(
      storage[offset:], shape, tuple(s * storage.itemsize for s in stride),
      writeable=False)


def _parameter(data, *unused):
  del unused  # requires_grad, backward hooks, state.
  return data


class _NumpyDtype:
  """A dtype under construction; its byte order arrives as its state."""

  def __init__(self, name, *unused):
    del unused  # Flags that newer NumPy has no use for.
    dtype = np.dtype(name if isinstance(name, str) else "O")
    if dtype.hasobject or dtype.fields or not 0 < dtype.itemsize <= 16:
      raise ValueError(f"NumPy dtype {name!r}")
    self.dtype = dtype

  def __setstate__(self, state):
    if len(state) > 1 and state[1] in ("<", ">"):
      self.dtype = self.dtype.newbyteorder(state[1])


def _numpy_scalar(dtype, data):
  return np.frombuffer(data, dtype.dtype, 1)[0]


def _encode(text, encoding):
  """`_codecs.encode`, with which pickles of protocol 2 hold bytes."""
  if encoding != "latin1":
    raise ValueError(f"bytes encoded as {encoding!r}")
  return text.encode("latin1")


def _device(*parts):
  return ":".join(str(p) for p in parts)


# A pickle can call these and make instances without calling them. Their own
# attributes are out of its reach: built-in types have fixed ones, and
# Attributes takes a state for its instances only.
_TYPES = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("argparse", "Namespace"): Attributes,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
}

_FUNCTIONS = {
    ("_codecs", "encode"): _encode,
    ("torch", "Size"): tuple,
    ("torch", "device"): _device,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("numpy", "dtype"): _NumpyDtype,
    ("numpy.core.multiarray", "scalar"): _numpy_scalar,
    ("numpy._core.multiarray", "scalar"): _numpy_scalar,
}

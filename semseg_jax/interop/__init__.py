"""Other projects' checkpoints as our modules and variables."""

from collections.abc import Mapping
import importlib
import pathlib
from typing import Any

from flax import linen as nn
import numpy as np
import safetensors.numpy

from semseg_jax.interop import nvidia
from semseg_jax.interop import torch_files

# Kind -> module in this package : function(state_dict, **options), which gives
# the module, with `options` for further attributes, and its variables.
_IMPORTERS = {
    "stylegan2/generator": "stylegan2:generator",
    "stylegan2/discriminator": "stylegan2:discriminator",
    "semantic_gan/patch_discriminator": "stylegan2:patch_discriminator",
    "semantic_gan/fpn_encoder": "encoders:fpn_encoder",
    "semantic_gan/residual_encoder": "encoders:residual_encoder",
    "lpips/vgg": "perceptual:lpips_vgg",
    "lpips/alex": "perceptual:lpips_alex",
    "inception/fid": "inception:fid",
    "psp/encoder": "psp:encoder",
    "repurpose_gan/cnn": "repurpose_gan:cnn",
    "repurpose_gan/cnn_s": "repurpose_gan:cnn_s",
    "repurpose_gan/cnn_m": "repurpose_gan:cnn_m",
    "repurpose_gan/cnn_l": "repurpose_gan:cnn_l",
    "repurpose_gan/unet": "repurpose_gan:unet",
    "s4gan/deeplabv2": "segmentation:deeplabv2",
    "s4gan/deeplabv3plus": "segmentation:deeplabv3plus",
    "s4gan/discriminator": "segmentation:discriminator",
    "resnet18": "segmentation:resnet18",
    "resnet34": "segmentation:resnet34",
    "resnet50": "segmentation:resnet50",
    "resnet101": "segmentation:resnet101",
    "wide_resnet38": "segmentation:wide_resnet38",
    **{f"efficientnet_lite{i}": f"efficientnet_lite:efficientnet_lite{i}"
       for i in range(5)},
}
_WRAPPERS = ("module.", "_orig_mod.")
_NVIDIA = ("stylegan2/generator", "stylegan2/discriminator")
# Networks that common checkpoints keep in one state dict: their kind's prefix.
_PREFIXES = {"psp/encoder": "encoder.", "stylegan2/generator": "decoder."}


def kinds() -> list[str]:
  """Every kind of state dict that `from_torch` accepts."""
  return sorted(_IMPORTERS)


def from_torch(kind: str, state_dict: Mapping[str, np.ndarray], **options
               ) -> tuple[nn.Module, dict[str, Any]]:
  """Builds our module and its variables from a PyTorch state dict.

  Sizes, widths, depths and variants are read off the entries.

  Args:
    kind: one of `kinds()`.
    state_dict: the original's names to NumPy arrays; see `own_entries`.
    **options: what the entries do not tell (see the kind's function).

  Returns:
    The module and its variables, NumPy arrays in float32 (counters int32).

  Raises:
    ValueError: the kind is unknown, or an entry is missing, unexpected or
      misshapen (the message names it).
  """
  if kind not in _IMPORTERS:
    raise ValueError(f"unknown kind {kind!r}; choose one of {kinds()}")
  module, function = _IMPORTERS[kind].split(":")
  importer = getattr(importlib.import_module(f"{__name__}.{module}"), function)
  try:
    return importer(own_entries(kind, state_dict), **options)
  except ValueError as e:
    prefix = _wrapper(state_dict)
    if not prefix or prefix in str(e):
      raise
    raise ValueError(str(e).replace(
        kind, f"{kind} (after the prefix {prefix!r})", 1)) from e


def own_entries(kind: str, state_dict: Mapping[str, np.ndarray]
                ) -> Mapping[str, np.ndarray]:
  """A kind's part of a state dict that holds encoder and decoder.

  Args:
    kind: one of `kinds()`.
    state_dict: the original's names to arrays.

  Returns:
    psp/encoder's entries `encoder.*` and stylegan2/generator's `decoder.*`
    without that prefix, and all that belong to neither; the same mapping where
    no entry has the kind's prefix. Prefixes of wrappers (`module.` of parallel
    training, `_orig_mod.` of compiled modules) are taken off, and NVIDIA's
    names become the common ones (see `nvidia`).

  Raises:
    ValueError: a name is no text.
  """
  if isinstance(state_dict, Mapping):
    for name in state_dict:
      if not isinstance(name, str):
        raise ValueError(f"{kind}: entry {name!r} has a name that is no text; "
                         "is this a state dict?")
  state_dict = _unwrapped(state_dict)
  if isinstance(state_dict, Mapping) and kind in _NVIDIA and (
      nvidia.recognises(state_dict)):
    return nvidia.renamed(kind, state_dict)
  mine = _PREFIXES.get(kind)
  if not (mine and isinstance(state_dict, Mapping)
          and any(n.startswith(mine) for n in state_dict)):
    return state_dict
  others = tuple(set(_PREFIXES.values()) - {mine})
  return {n.removeprefix(mine): v for n, v in state_dict.items()
          if not n.startswith(others)}


def _unwrapped(state_dict):
  """The entries without the prefixes that wrappers of modules add."""
  while isinstance(state_dict, Mapping):
    prefix = _wrapper(state_dict)
    if not prefix:
      break
    bare = {n.removeprefix(prefix): v for n, v in state_dict.items()}
    if len(bare) < len(state_dict):
      break  # two entries would share a name
    state_dict = bare
  return state_dict


def _wrapper(state_dict) -> str:
  """The prefix of a wrapper that names start with, or ""."""
  if not isinstance(state_dict, Mapping):
    return ""
  return next((p for p in _WRAPPERS if any(
      isinstance(n, str) and n.startswith(p) for n in state_dict)), "")


def save(path, kind: str, state_dict: Mapping[str, np.ndarray], source: str = ""
         ):
  """Writes a state dict, under its original names, for `load`.

  Args:
    path: safetensors file to write; its folder must exist.
    kind: one of `kinds()`.
    state_dict: entries that `from_torch` accepts.
    source: where they come from, for readers of the file.
  """
  path = pathlib.Path(path)
  whole = path.with_name(path.name + ".part")  # Never leave half a file.
  # Not `save_file`, whose files only their owner may read.
  whole.write_bytes(safetensors.numpy.save(
      {name: np.ascontiguousarray(value).reshape(np.shape(value))
       for name, value in state_dict.items()},
      metadata={"kind": kind, "source": source}))
  whole.replace(path)


def load(path) -> tuple[nn.Module, dict[str, Any]]:
  """Module and variables from a file that `save` or `convert` wrote.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: the file is damaged or was not written by `save`.
  """
  entries, metadata = torch_files.load_safetensors(path)
  if "kind" not in metadata:
    raise ValueError(
        f"{path}: the file does not say what it holds; write it with "
        "semseg-jax convert (an exported model is a config.labels.run)")
  return from_torch(metadata["kind"], entries)

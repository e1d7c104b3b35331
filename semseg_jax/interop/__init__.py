"""Other projects' checkpoints as our modules and variables."""

from collections.abc import Mapping
import importlib
import pathlib
from typing import Any

from flax import linen as nn
import numpy as np
import safetensors.numpy

from semseg_jax.interop import torch_files

# Kind -> module in this package : function(state_dict, **options).
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
# Networks that common checkpoints keep in one state dict: their kind's prefix.
_PREFIXES = {"psp/encoder": "encoder.", "stylegan2/generator": "decoder."}


def kinds() -> list[str]:
  """Every kind of state dict that `from_torch` accepts."""
  return sorted(_IMPORTERS)


def from_torch(
    kind: str, state_dict: Mapping[str, np.ndarray], **options
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
  return importer(own_entries(kind, state_dict), **options)


def own_entries(kind: str, state_dict: Mapping[str, np.ndarray]
                ) -> Mapping[str, np.ndarray]:
  """A kind's part of a state dict that holds encoder and decoder.

  Args:
    kind: one of `kinds()`.
    state_dict: the original's names to arrays.

  Returns:
    psp/encoder's entries `encoder.*` and stylegan2/generator's `decoder.*`
    without that prefix, and all that belong to neither; the same mapping where
    no entry has the kind's prefix.
  """
  mine = _PREFIXES.get(kind)
  if not (mine and isinstance(state_dict, Mapping)
          and any(n.startswith(mine) for n in state_dict)):
    return state_dict
  others = tuple(set(_PREFIXES.values()) - {mine})
  return {n.removeprefix(mine): v for n, v in state_dict.items()
          if not n.startswith(others)}


def save(
    path, kind: str, state_dict: Mapping[str, np.ndarray], source: str = ""
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
  safetensors.numpy.save_file(
      {name: np.ascontiguousarray(value).reshape(np.shape(value))
       for name, value in state_dict.items()},
      whole, metadata={"kind": kind, "source": source})
  whole.replace(path)


def load(path) -> tuple[nn.Module, dict[str, Any]]:
  """Module and variables from a file that `save` or cli/convert.py wrote.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: the file is damaged or was not written by `save`.
  """
  entries, metadata = torch_files.load_safetensors(path)
  if "kind" not in metadata:
    raise ValueError(
        f"{path}: the file does not say what it holds; write it with "
        "python -m semseg_jax.cli.convert")
  return from_torch(metadata["kind"], entries)

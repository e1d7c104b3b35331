"""LPIPS weights: a torchvision network plus the linear layers of v0.1.

The network's entries may be named as in torchvision (features.N), as in the
lpips package (net.sliceK.N) or as in copies of it (net.layers.N); the linear
layers lin{i}.model.1, lins.{i}.model.1 or lin.{i}.1.
"""

import functools
import re

import numpy as np

from semseg_jax.interop import state_dict as state_dicts
from semseg_jax.models import perceptual

# Index of every convolution among torchvision's features, by stage.
_CONVS = {
    "vgg": ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)),
    "alex": ((0,), (3,), (6,), (8,), (10,)),
}
_KERNELS = {"vgg": {}, "alex": {0: 11, 3: 5}}  # Others are 3x3.
_CONV_NAME = re.compile(r"(features|net\.layers|net\.slice\d)\.(\d+)\.weight")
_LIN_NAME = re.compile(r"(?:lin|lins\.|lin\.)(\d)(?:\.model)?\.1\.weight")
_SCALING = {
    "scaling_layer.shift": perceptual.SHIFT, "net.mean": perceptual.SHIFT,
    "scaling_layer.scale": perceptual.SCALE, "net.std": perceptual.SCALE}


def _lpips(net, state_dict, **options):
  """LPIPS from network and linear layers in one mapping.

  Args:
    net: "vgg" or "alex".
  """
  reader = state_dicts.Reader(state_dict, f"lpips/{net}")
  names = {}
  for name in reader.names():
    match = _CONV_NAME.fullmatch(name)
    if match:
      names[int(match[2])] = name.removesuffix(".weight")
  lins = {}
  for name in reader.names():
    match = _LIN_NAME.fullmatch(name)
    if match:
      lins.setdefault(int(match[1]), []).append(name)
  params, widths, channels = {}, [], 3
  for stage, indices in enumerate(_CONVS[net]):
    for index in indices:
      prefix = names.get(index, f"features.{index}")
      kernel = _KERNELS[net].get(index, 3)
      width = reader.shape(f"{prefix}.weight", 4)[0]
      params[f"conv_{len(widths)}"] = {
          "kernel": reader.conv(
              f"{prefix}.weight", (width, channels, kernel, kernel)),
          "bias": reader.take(f"{prefix}.bias", (width,))}
      widths.append(width)
      channels = width
    params[f"lin_{stage}"] = _linear(
        reader, lins.get(stage, [f"lin{stage}.model.1.weight"]), channels)
  for name, expected in _SCALING.items():
    if name in reader:
      stored = reader.take(name, (1, 3, 1, 1)).ravel()
      if not np.allclose(stored, expected, atol=1e-6):
        raise ValueError(
            f"{reader.kind}: entry {name!r} is {stored.tolist()}, expected "
            f"{list(expected)} (version 0.1)")
  reader.finish()
  module = perceptual.LPIPS(net=net, widths=tuple(widths), **options)
  return module, {"params": params}


lpips_vgg = functools.partial(_lpips, "vgg")
lpips_alex = functools.partial(_lpips, "alex")


def _linear(reader, names, channels):
  """Weights [channels]; the lpips package lists each layer twice."""
  values = [reader.take(name, (1, channels, 1, 1)).ravel() for name in names]
  if any(not np.array_equal(values[0], other) for other in values[1:]):
    raise ValueError(f"{reader.kind}: entries {names} differ")
  return values[0]

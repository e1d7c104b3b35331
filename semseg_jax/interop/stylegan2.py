"""Checkpoints of PyTorch StyleGAN2 and SemanticGAN networks.

State dicts as the common PyTorch StyleGAN2 code saves them, with SemanticGAN's
`to_seg*` branch or without. Each importer lists its network's entries as
`Entry` rows: the original's name, our path and the layout between the two. The
same rows lead back with `to_torch`.
"""

from collections.abc import Mapping
import math
import re
from typing import Any
from typing import NamedTuple

import flax
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.interop import state_dict as state_dict_lib
from semseg_jax.models import discriminators
from semseg_jax.models import stylegan2

_FIR = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64


class Entry(NamedTuple):
  """One entry of a state dict: where it stands with us, and its layout."""
  name: str
  path: tuple[str, ...]  # Collection first.
  layout: str  # Key of _LAYOUTS.


def generator(state_dict: Mapping[str, np.ndarray]):
  """(`stylegan2.Generator`, variables) from a generator's state dict.

  Sizes, widths and the label branch are read off the entries. An entry
  "latent_avg" [D], or [L, D] of equal rows, which checkpoints have beside the
  network, becomes the collection "mean": {"code"}.

  Raises ValueError: an entry is missing, unexpected or misshapen (it is named).
  """
  reader = state_dict_lib.Reader(state_dict, "stylegan2/generator")
  if not reader.names("noises."):
    reader = state_dict_lib.Reader(
        {**state_dict, **noise_buffers(reader)}, reader.kind)
  blocks = max(reader.count("to_rgbs."), 1)
  names = ["conv1"] + [f"convs.{2 * j + 1}" for j in range(blocks)]
  module = stylegan2.Generator(
      size=2 ** (blocks + 2),
      style_dim=reader.shape("conv1.conv.modulation.weight", 2)[1],
      mlp_layers=reader.count("style.") - 1,
      image_channels=reader.shape("to_rgb1.bias", 4)[1],
      label_channels=(
          reader.shape("to_seg1.bias", 4)[1]
          if reader.names("to_seg") else 0),
      channels=tuple(
          (2 ** (i + 2), reader.shape(f"{name}.conv.weight", 5)[1])
          for i, name in enumerate(names)))
  for j in range(blocks):
    check_fir(reader, f"convs.{2 * j}.conv.blur.kernel", 4)
    check_fir(reader, f"to_rgbs.{j}.upsample.kernel", 4)
    if module.label_channels:
      check_fir(reader, f"to_segs.{j}.upsample.kernel", 4)
  mean = {}
  if "latent_avg" in reader:
    rows = reader.take("latent_avg")
    if rows.ndim == 2 and (rows == rows[:1]).all():
      rows = rows[0]
    if rows.shape != (module.style_dim,):
      raise ValueError(
          f"{reader.kind}: entry 'latent_avg' has shape {list(rows.shape)}, "
          f"expected [{module.style_dim}], or rows of it that are equal")
    mean = {"mean": {"code": rows}}
  example = jnp.zeros((1, module.style_dim))
  return module, mean | read(
      module, generator_entries(module), reader, example)


def noise_buffers(reader) -> dict[str, np.ndarray]:
  """Constant noise for a generator whose file has none, always the same.

  The buffers are random and never trained; older files lack them.
  """
  rng = np.random.default_rng(0)
  layers = 2 * max(reader.count("to_rgbs."), 1) + 1
  sides = [4 << (i + 1) // 2 for i in range(layers)]
  return {f"noises.noise_{i}": rng.standard_normal((1, 1, s, s), np.float32)
          for i, s in enumerate(sides)}


def discriminator(state_dict: Mapping[str, np.ndarray]):
  """(`discriminators.ImageDiscriminator`, variables) from a state dict.

  Raises ValueError: an entry is missing, unexpected or misshapen (it is named).
  """
  reader = state_dict_lib.Reader(state_dict, "stylegan2/discriminator")
  size, image_channels, channels = trunk_sizes(reader)
  module = discriminators.ImageDiscriminator(
      size=size, image_channels=image_channels, channels=channels)
  example = jnp.zeros((1, size, size, image_channels))
  return module, read(module, discriminator_entries(module), reader, example)


def trunk_sizes(reader):
  """(size, image_channels, channels) of a `discriminators.ImageTrunk`.

  Raises ValueError: its FIR taps are others.
  """
  blocks = max(reader.count("convs.") - 1, 1)
  size = 2 ** (blocks + 2)
  width, image_channels = reader.shape("convs.0.0.weight", 4)[:2]
  channels = [(size, width)]
  for i in range(1, blocks + 1):
    channels.append(
        (size >> i, reader.shape(f"convs.{i}.conv2.1.weight", 4)[0]))
    check_fir(reader, f"convs.{i}.conv2.0.kernel", 1)
    check_fir(reader, f"convs.{i}.skip.0.kernel", 1)
  return size, image_channels, tuple(channels)


def patch_discriminator(state_dict: Mapping[str, np.ndarray]):
  """(`discriminators.PatchDiscriminator`, variables) from a state dict.

  Two layouts are known: `scale{s}_layer{j}.*`, which returns every layer's
  output, and `layer{s}.{position}.*`, a flat sequence per scale that returns
  score maps alone.

  Raises ValueError: an entry is missing, unexpected or misshapen (it is named).
  """
  kind = "semantic_gan/patch_discriminator"
  reader = state_dict_lib.Reader(state_dict, kind)
  all_maps = bool(reader.names("scale"))
  scales = reader.count("layer")
  depth = reader.count("layer0.") // 2 + 1
  if all_maps:
    numbers = [
        re.match(r"scale(\d+)_layer(\d+)\.", n) for n in reader.names("scale")]
    numbers = [tuple(map(int, m.groups())) for m in numbers if m]
    scales, depth = (1 + max(n, default=0) for n in zip(*numbers, strict=True))
  if not scales or depth < 3:
    raise ValueError(
        f"{kind}: entry 'scale0_layer0.0.weight' (or 'layer0.0.weight') is "
        "missing")
  first = "scale0_layer0.0.weight" if all_maps else "layer0.0.weight"
  width, channels = reader.shape(first, 4)[:2]
  module = discriminators.PatchDiscriminator(
      width=width, num_layers=depth - 2, num_scales=scales, all_maps=all_maps)
  example = jnp.zeros((1, 64, 64, channels))
  return module, read(
      module, patch_discriminator_entries(module), reader, example,
      update_stats=False)


def generator_entries(module: stylegan2.Generator) -> list[Entry]:
  """Every entry of a generator but the fixed FIR taps."""
  rows = [Entry("input.input", ("params", "const"), "map")]
  for i in range(module.mlp_layers):
    rows += _dense(f"style.{i + 1}", ("params", f"mapping{i}"))
  heads = [("rgb", "to_rgb")]
  if module.label_channels:
    heads.append(("seg", "to_logits"))
  for j, r in enumerate(module.resolutions):
    convs = [("conv1", f"conv{r}")] if not j else [
        (f"convs.{2 * j - 2}", f"conv{r}_up"),
        (f"convs.{2 * j - 1}", f"conv{r}")]
    for name, layer in convs:
      path = ("params", layer)
      rows += [
          Entry(f"{name}.conv.weight", (*path, "kernel"), "modulated"),
          *_dense(f"{name}.conv.modulation", (*path, "style")),
          Entry(f"{name}.noise.weight", (*path, "noise_strength"), "scalar"),
          Entry(f"{name}.activate.bias", (*path, "bias"), "same")]
    for official, layer in heads:
      name = f"to_{official}s.{j - 1}" if j else f"to_{official}1"
      path = ("params", f"{layer}{r}")
      rows += [
          Entry(f"{name}.conv.weight", (*path, "kernel"), "head"),
          *_dense(f"{name}.conv.modulation", (*path, "style")),
          Entry(f"{name}.bias", (*path, "bias"), "bias4")]
  rows += [
      Entry(f"noises.noise_{i}", ("noise", f"noise{i}"), "noise")
      for i in range(len(module.noise_shapes))]
  return rows


def discriminator_entries(
    module: discriminators.ImageDiscriminator) -> list[Entry]:
  """Every entry of an image discriminator but the fixed FIR taps."""
  hidden = ("params", "hidden")
  return trunk_entries(module.size, ("params", "trunk")) + [
      Entry("final_linear.0.weight", (*hidden, "kernel"), "flat_dense"),
      Entry("final_linear.0.bias", (*hidden, "bias"), "same"),
      *_dense("final_linear.1", ("params", "logit"))]


def trunk_entries(size: int, path: tuple[str, ...]) -> list[Entry]:
  """The entries of a `discriminators.ImageTrunk` that stands at `path`."""
  rows = _conv("convs.0.0", "convs.0.1", (*path, "from_image"))
  for i in range(1, int(math.log2(size)) - 1):
    block = (*path, f"block{size >> (i - 1)}")
    name = f"convs.{i}"
    rows += _conv(f"{name}.conv1.0", f"{name}.conv1.1", (*block, "conv1"))
    rows += _conv(f"{name}.conv2.1", f"{name}.conv2.2", (*block, "conv2"))
    rows.append(
        Entry(f"{name}.skip.1.weight", (*block, "skip", "kernel"), "conv"))
  return rows + _conv("final_conv.0", "final_conv.1", (*path, "final"))


def patch_discriminator_entries(
    module: discriminators.PatchDiscriminator) -> list[Entry]:
  """Every entry of a patch discriminator, its scales in reverse order."""
  rows = []
  for s in range(module.num_scales):
    scale = f"scale{module.num_scales - 1 - s}"
    for j in range(module.num_layers + 2):
      name = (f"scale{s}_layer{j}.0" if module.all_maps
              else f"layer{s}.{2 * j}")
      path = (scale, f"conv{j}")
      if 0 < j <= module.num_layers:
        rows += [
            Entry(f"{name}.0.weight_orig", ("params", *path, "kernel"), "conv"),
            Entry(f"{name}.0.weight_u", ("spectral", *path, "u"), "same"),
            Entry(f"{name}.0.weight_v", ("spectral", *path, "v"), "patch")]
      else:
        rows += _conv(name, name, ("params", *path))
  return rows


def to_torch(entries: list[Entry], variables) -> dict[str, np.ndarray]:
  """Our variables (or gradients) under the original's names and layouts."""
  flat = flax.traverse_util.flatten_dict(variables)
  return {
      e.name: _LAYOUTS[e.layout][1](np.asarray(flat[e.path])) for e in entries}


def _dense(name, path):
  return [Entry(f"{name}.weight", (*path, "kernel"), "dense"),
          Entry(f"{name}.bias", (*path, "bias"), "same")]


def _conv(weight, bias, path):
  return [Entry(f"{weight}.weight", (*path, "kernel"), "conv"),
          Entry(f"{bias}.bias", (*path, "bias"), "same")]


def _flat_dense(x):  # [O, C*4*4] -> [4*4*C, O]
  x = x.reshape(x.shape[0], -1, 4, 4)
  return x.transpose(2, 3, 1, 0).reshape(-1, x.shape[0])


def _flat_dense_back(x):
  x = x.reshape(4, 4, -1, x.shape[-1])
  return x.transpose(3, 2, 0, 1).reshape(x.shape[-1], -1)


# Layout -> (PyTorch to Flax, Flax to PyTorch).
_LAYOUTS = {
    "same": (lambda x: x, lambda x: x),
    "scalar": (lambda x: x.reshape(()), lambda x: x.reshape(1)),
    "dense": (np.transpose, np.transpose),
    "conv": (lambda x: x.transpose(2, 3, 1, 0),
             lambda x: x.transpose(3, 2, 0, 1)),
    "modulated": (lambda x: x[0].transpose(2, 3, 1, 0),
                  lambda x: x.transpose(3, 2, 0, 1)[None]),
    "head": (lambda x: x[0, :, :, 0, 0].T,
             lambda x: x.T[None, :, :, None, None]),
    "bias4": (np.ravel, lambda x: x.reshape(1, -1, 1, 1)),
    "map": (lambda x: x[0].transpose(1, 2, 0),
            lambda x: x.transpose(2, 0, 1)[None]),
    "noise": (lambda x: x.transpose(0, 2, 3, 1),
              lambda x: x.transpose(0, 3, 1, 2)),
    "patch": (lambda x: x.reshape(-1, 4, 4).transpose(1, 2, 0),
              lambda x: x.transpose(2, 0, 1).ravel()),
    "flat_dense": (_flat_dense, _flat_dense_back),
}


def check_fir(reader, name, gain):
  taps = reader.take(name, (4, 4))
  if not np.allclose(taps, gain * _FIR, atol=1e-6):
    raise ValueError(
        f"{reader.kind}: entry {name!r} holds other taps than [1, 3, 3, 1] "
        f"with gain {gain}")


def read(module, entries, reader, example, **kwargs) -> dict[str, Any]:
  """Takes `entries`; the module's own shapes say which shapes they must have.
  """
  expected = flax.traverse_util.flatten_dict(jax.eval_shape(
      lambda: module.init(jax.random.key(0), example, **kwargs)))
  flat = {}
  for e in entries:
    to_flax, from_flax = _LAYOUTS[e.layout]
    like = np.broadcast_to(np.float32(0), expected.pop(e.path).shape)
    flat[e.path] = np.array(
        to_flax(reader.take(e.name, from_flax(like).shape)), order="C")
  assert not expected, f"no entry for {sorted(expected)}"
  reader.finish()
  return flax.traverse_util.unflatten_dict(flat)

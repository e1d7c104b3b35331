"""SemanticGAN's encoders: variables from the official code's state dicts."""

import re

import jax.numpy as jnp

from semseg_jax.interop import by_name
from semseg_jax.interop import state_dict as state_dicts
from semseg_jax.interop import stylegan2
from semseg_jax.models import fpn_encoder as fpn_encoders
from semseg_jax.models import residual_encoder as residual_encoders

# The official code spells it so; the number is the pyramid's level.
_LEVELS = ("course_styles", "medium_styles", "fine_styles")
_FPN = "FPN_module."
_PYRAMID = {
    "stem": "conv1", "stem_bn": "bn1", "top": "toplayer",
    "lateral4": "latlayer1", "lateral3": "latlayer2", "lateral2": "latlayer3",
    "smooth4": "smooth1", "smooth3": "smooth2", "smooth2": "smooth3"}


def fpn_encoder(state_dict, **options):
  """FPNEncoder from entry "e" of a SemanticGAN checkpoint."""
  reader = state_dicts.Reader(state_dict, "semantic_gan/fpn_encoder")
  heads = [(level, f"{name}.{i}") for level, name in enumerate(_LEVELS)
           for i in range(reader.count(f"{name}."))]
  if not heads:
    raise ValueError(
        f"{reader.kind}: no head: expected entries {_LEVELS[0]}.0.*")
  stem, image_channels = reader.shape(f"{_FPN}conv1.weight", 4)[:2]
  style_head = any(name.endswith(".running_mean") for level in _LEVELS
                   for name in reader.names(f"{level}."))
  if style_head:
    layers = [_style_head(reader, prefix) for _, prefix in heads]
    depths = None
  else:
    # Convolutions alternate with activations; a level's heads are alike.
    layers = [{"conv0": f"{prefix}.convs.0", "linear": f"{prefix}.linear"}
              for _, prefix in heads]
    depths = [1, 1, 1]
    for level, prefix in reversed(heads):
      depths[level] = (reader.count(f"{prefix}.convs.") + 1) // 2
    for (level, prefix), names in zip(heads, layers, strict=True):
      names |= {f"conv{i}": f"{prefix}.convs.{2 * i}"
                for i in range(depths[level])}
  first = "conv" if style_head else "conv0"
  counts = [level for level, _ in heads]
  module = fpn_encoders.FPNEncoder(
      num_ws=len(heads),
      style_dim=reader.shape(f"{layers[0]['linear']}.weight")[0],
      latent_split=(counts.count(0), counts.count(1)), stem_width=stem,
      blocks=tuple(reader.count(f"{_FPN}layer{s}.") for s in (1, 2, 3, 4)),
      fpn_channels=reader.shape(f"{_FPN}toplayer.weight", 4)[0],
      head_channels=reader.shape(f"{layers[0][first]}.weight", 4)[0],
      head_convs=depths and tuple(depths), style_head=style_head, **options)

  def name_of(path):
    if path[0] != "fpn":
      return layers[int(path[0].removeprefix("heads_"))][path[1]]
    if len(path) == 2:
      return _FPN + _PYRAMID[path[1]]
    stage, block = path[1].removeprefix("stage").split("_")
    inside = {"shortcut": "shortcut.0", "shortcut_bn": "shortcut.1"}.get(
        path[2], re.sub(r"conv(\d)_bn", r"bn\1", path[2]))
    return f"{_FPN}layer{int(stage) + 1}.{block}.{inside}"

  return module, by_name.read(
      module, jnp.zeros((1, 16, 16, image_channels)), reader, name_of)


def _style_head(reader, prefix) -> dict[str, str]:
  """A head's layers, which are told apart by their entries, not their names."""
  names = reader.names(f"{prefix}.")
  bn = [n.removesuffix(".running_mean") for n in names
        if n.endswith(".running_mean")]
  convs = [n.removesuffix(".weight") for n in names
           if n.endswith(".weight") and len(reader.shape(n)) == 4]
  if len(bn) != 1 or len(convs) != 2:
    raise ValueError(
        f"{reader.kind}: {prefix}: expected a convolution, a batch norm and a "
        f"1x1 convolution, found the entries {names}")
  return {"conv": convs[0], "bn": bn[0], "linear": convs[1]}


def residual_encoder(state_dict, *, style_dim: int = 512, **options):
  """ResidualEncoder from entry "e" of a SemanticGAN checkpoint.

  Args:
    style_dim: length of a latent; the entries hold only its product with the
      number of latents.
  """
  reader = state_dicts.Reader(state_dict, "semantic_gan/residual_encoder")
  size, image_channels, channels = stylegan2.trunk_sizes(reader)
  outputs = reader.shape("final_linear.weight", 2)[0]
  if outputs % style_dim:
    raise ValueError(
        f"{reader.kind}: entry 'final_linear.weight' has {outputs} rows, "
        f"expected a multiple of style_dim = {style_dim}")
  module = residual_encoders.ResidualEncoder(
      size=size, num_ws=outputs // style_dim, style_dim=style_dim,
      image_channels=image_channels, channels=channels, **options)
  example = jnp.zeros((1, size, size, image_channels))
  return module, stylegan2.read(
      module, residual_encoder_entries(module), reader, example)


def residual_encoder_entries(
    module: residual_encoders.ResidualEncoder) -> list[stylegan2.Entry]:
  """Every entry of a residual encoder but the fixed FIR taps."""
  linear = ("params", "latents")
  return stylegan2.trunk_entries(module.size, ("params", "trunk")) + [
      stylegan2.Entry(
          "final_linear.weight", (*linear, "kernel"), "flat_dense"),
      stylegan2.Entry("final_linear.bias", (*linear, "bias"), "same")]

"""SemanticGAN's encoders: variables from the official code's state dicts."""

import jax.numpy as jnp
import numpy as np

from semseg_jax.interop import state_dict as state_dicts
from semseg_jax.interop import stylegan2
from semseg_jax.models import fpn_encoder as fpn_encoders
from semseg_jax.models import residual_encoder as residual_encoders

# The official code spells it so; the number is the pyramid's level.
_LEVELS = ("course_styles", "medium_styles", "fine_styles")


def fpn_encoder(state_dict, **options):
  """FPNEncoder from entry "e" of a SemanticGAN checkpoint.

  Args:
    state_dict: names to arrays.
    **options: further attributes of the module (dtype).

  Returns:
    The module and its variables: "params", "batch_stats".
  """
  reader = state_dicts.Reader(state_dict, "semantic_gan/fpn_encoder")
  fpn, fpn_stats, widths = _pyramid(reader)
  params, stats = {"fpn": fpn}, {"fpn": fpn_stats}
  heads = [(level, i) for level, name in enumerate(_LEVELS)
           for i in range(reader.count(f"{name}."))]
  if not heads:
    raise ValueError(
        f"{reader.kind}: no head: expected entries {_LEVELS[0]}.0.*")
  style_head = _has_style_heads(reader)
  depths, channels, style_dim = [1, 1, 1], None, None
  for index, (level, i) in enumerate(heads):
    prefix = f"{_LEVELS[level]}.{i}"
    name = f"heads_{index}"
    if style_head:
      params[name], stats[name] = _style_head(
          reader, prefix, widths["fpn_channels"], channels, style_dim)
      channels, style_dim = params[name]["linear"]["kernel"].shape[2:]
    else:
      depth = (reader.count(f"{prefix}.convs.") + 1) // 2
      if i == 0:
        depths[level] = depth
      params[name] = _code_head(
          reader, prefix, depths[level], widths["fpn_channels"], channels,
          style_dim)
      channels, style_dim = params[name]["linear"]["kernel"].shape
  reader.finish()
  split = tuple(
      sum(1 for level, _ in heads if level == wanted) for wanted in (0, 1))
  module = fpn_encoders.FPNEncoder(
      num_ws=len(heads), style_dim=style_dim, latent_split=split,
      head_channels=channels, head_convs=None if style_head else tuple(depths),
      style_head=style_head, **widths, **options)
  return module, {"params": params, "batch_stats": stats}


def residual_encoder(state_dict, *, style_dim: int = 512, **options):
  """ResidualEncoder from entry "e" of a SemanticGAN checkpoint.

  Args:
    state_dict: names to arrays.
    style_dim: length of a latent; the entries hold only its product with the
      number of latents.
    **options: further attributes of the module (dtype).

  Returns:
    The module and its variables: "params".
  """
  reader = state_dicts.Reader(state_dict, "semantic_gan/residual_encoder")
  blocks = max(reader.count("convs.") - 1, 1)
  size = 2 ** (blocks + 2)
  width, image_channels = reader.shape("convs.0.0.weight", 4)[:2]
  outputs = reader.shape("final_linear.weight", 2)[0]
  if outputs % style_dim:
    raise ValueError(
        f"{reader.kind}: entry 'final_linear.weight' has {outputs} rows, "
        f"expected a multiple of style_dim = {style_dim}")
  widths = [reader.shape(f"convs.{i}.conv2.1.weight", 4)[0]
            for i in range(1, blocks + 1)]
  module = residual_encoders.ResidualEncoder(
      size=size, num_ws=outputs // style_dim, style_dim=style_dim,
      image_channels=image_channels,
      channels=((size, width), *(
          (size >> i, w) for i, w in enumerate(widths, start=1))), **options)
  for i in range(1, blocks + 1):
    stylegan2.check_fir(reader, f"convs.{i}.conv2.0.kernel", 1)
    stylegan2.check_fir(reader, f"convs.{i}.skip.0.kernel", 1)
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


def _pyramid(reader):
  """Parameters, statistics and widths of the ResNet and the pyramid."""
  root = "FPN_module."
  stem, image_channels = reader.shape(f"{root}conv1.weight", 4)[:2]
  channels = reader.shape(f"{root}toplayer.weight", 4)[0]
  blocks = tuple(reader.count(f"{root}layer{s}.") for s in (1, 2, 3, 4))
  params, stats = {}, {}
  params["stem"] = {"kernel": reader.conv(
      f"{root}conv1.weight", (stem, image_channels, 7, 7))}
  params["stem_bn"], stats["stem_bn"] = batch_norm(reader, f"{root}bn1", stem)
  before = stem
  for stage, count in enumerate(blocks):
    width = stem * 2 ** stage
    for block in range(count):
      name = f"stage{stage}_{block}"
      params[name], stats[name] = _bottleneck(
          reader, f"{root}layer{stage + 1}.{block}", before, width,
          shortcut=before != 4 * width or (stage > 0 and block == 0))
      before = 4 * width
  for name, original, inputs, kernel in (
      ("top", "toplayer", 32 * stem, 1),
      ("lateral4", "latlayer1", 16 * stem, 1),
      ("lateral3", "latlayer2", 8 * stem, 1),
      ("lateral2", "latlayer3", 4 * stem, 1),
      ("smooth4", "smooth1", channels, 3),
      ("smooth3", "smooth2", channels, 3),
      ("smooth2", "smooth3", channels, 3)):
    params[name] = conv(reader, root + original, channels, inputs, kernel)
  widths = dict(stem_width=stem, blocks=blocks, fpn_channels=channels)
  return params, stats, widths


def _bottleneck(reader, prefix, inputs, width, *, shortcut):
  sizes = {"conv1": (width, inputs, 1, 1), "conv2": (width, width, 3, 3),
           "conv3": (4 * width, width, 1, 1)}
  params, stats = {}, {}
  for i, (name, shape) in enumerate(sizes.items()):
    params[name] = {"kernel": reader.conv(f"{prefix}.{name}.weight", shape)}
    params[f"{name}_bn"], stats[f"{name}_bn"] = batch_norm(
        reader, f"{prefix}.bn{i + 1}", shape[0])
  if shortcut:
    params["shortcut"] = {"kernel": reader.conv(
        f"{prefix}.shortcut.0.weight", (4 * width, inputs, 1, 1))}
    params["shortcut_bn"], stats["shortcut_bn"] = batch_norm(
        reader, f"{prefix}.shortcut.1", 4 * width)
  return params, stats


def _code_head(reader, prefix, depth, inputs, channels, style_dim):
  head = {}
  channels = channels or reader.shape(f"{prefix}.convs.0.weight", 4)[0]
  for i in range(depth):
    # Convolutions alternate with activations.
    head[f"conv{i}"] = conv(reader, f"{prefix}.convs.{2 * i}", channels,
                            inputs, 3)
    inputs = channels
  head["linear"] = {
      "kernel": reader.dense(f"{prefix}.linear.weight", (style_dim, inputs))}
  features = head["linear"]["kernel"].shape[1]
  head["linear"]["bias"] = reader.take(f"{prefix}.linear.bias", (features,))
  return head


def _has_style_heads(reader):
  return any(name.endswith(".running_mean") for level in _LEVELS
             for name in reader.names(f"{level}."))


def _style_head(reader, prefix, inputs, channels, style_dim):
  """A head whose layers are told apart by their entries, not their names."""
  names = reader.names(f"{prefix}.")
  bn = [n.removesuffix(".running_mean") for n in names
        if n.endswith(".running_mean")]
  convs = [n.removesuffix(".weight") for n in names
           if n.endswith(".weight") and len(reader.shape(n)) == 4]
  if len(bn) != 1 or len(convs) != 2:
    raise ValueError(
        f"{reader.kind}: {prefix}: expected a convolution, a batch norm and a "
        f"1x1 convolution, found the entries {names}")
  first, last = convs
  channels = channels or reader.shape(f"{first}.weight")[0]
  style_dim = style_dim or reader.shape(f"{last}.weight")[0]
  scale, stats = batch_norm(reader, bn[0], channels)
  params = {
      "conv": {"kernel": reader.conv(
          f"{first}.weight", (channels, inputs, 3, 3))},
      "bn": scale,
      "linear": conv(reader, last, style_dim, channels, 1)}
  return params, {"bn": stats}


def conv(reader, prefix, outputs, inputs, kernel):
  """Parameters of a `torch_layers.Conv` with bias."""
  return {
      "kernel": reader.conv(
          f"{prefix}.weight", (outputs, inputs, kernel, kernel)),
      "bias": reader.take(f"{prefix}.bias", (outputs,))}


def batch_norm(reader, prefix, features):
  """Parameters and statistics of a `torch_layers.BatchNorm`."""
  take = lambda name: reader.take(f"{prefix}.{name}", (features,))
  params = {"scale": take("weight"), "bias": take("bias")}
  count = reader.take(f"{prefix}.num_batches_tracked", ())
  stats = {"mean": take("running_mean"), "var": take("running_var"),
           "count": np.asarray(count, np.int32)}
  return params, stats

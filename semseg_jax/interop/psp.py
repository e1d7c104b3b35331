"""The pSp encoder of Fewshot-SMIS: state dicts to our variables."""

import re

import numpy as np

from semseg_jax.interop import encoders
from semseg_jax.interop import state_dict as state_dicts
from semseg_jax.models import psp_encoder

_GROUPS = 4  # of units in the trunk, each of one width


def encoder(state_dict, **options):
  """GradualStyleEncoder from the entries `encoder.*` of a checkpoint.

  Args:
    state_dict: names, without the prefix, to arrays. An entry "latent_avg"
      [D] or [styles, D], which checkpoints have beside the network, becomes
      the collection "mean".
    **options: further attributes of the module (dtype).

  Returns:
    The module and its variables: "params", "batch_stats" and "mean"?.
  """
  reader = state_dicts.Reader(state_dict, "psp/encoder")
  params, stats = {}, {}
  stem, channels = reader.shape("input_layer.0.weight", 4)[:2]
  params["stem"] = {"kernel": reader.conv(
      "input_layer.0.weight", (stem, channels, 3, 3))}
  params["stem_bn"], stats["stem_bn"] = encoders.batch_norm(
      reader, "input_layer.1", stem)
  params["stem_prelu"] = {"slope": reader.take("input_layer.2.weight", (stem,))}

  widths, before = [], stem
  for i in range(reader.count("body.")):
    width = reader.shape(f"body.{i}.res_layer.1.weight", 4)[0]
    name = f"body_{i}"
    params[name], stats[name] = _unit(reader, f"body.{i}", before, width)
    widths.append(width)
    before = width
  groups = sorted(set(widths), key=widths.index)
  if len(groups) != _GROUPS:
    raise ValueError(
        f"{reader.kind}: the units have the widths {groups}; expected "
        f"{_GROUPS} groups of one width each")

  params["lateral_middle"] = encoders.conv(
      reader, "latlayer1", groups[3], groups[2], 1)
  params["lateral_fine"] = encoders.conv(
      reader, "latlayer2", groups[3], groups[1], 1)
  styles = reader.count("styles.")
  depths, style_dim = [], None
  for i in range(styles):
    head, style_dim = _head(reader, f"styles.{i}", groups[3], style_dim)
    params[f"heads_{i}"] = head
    depths.append(len(head) - 1)
  variables = {"params": params, "batch_stats": stats}
  if "latent_avg" in reader:
    mean = reader.take("latent_avg")
    if mean.shape not in ((style_dim,), (styles, style_dim)):
      raise ValueError(
          f"{reader.kind}: entry 'latent_avg' has shape {list(mean.shape)}, "
          f"expected [{style_dim}] or [{styles}, {style_dim}]")
    variables["mean"] = {"latents": mean}
  reader.finish()
  module = psp_encoder.GradualStyleEncoder(
      num_ws=styles, style_dim=style_dim, latent_split=_split(depths),
      widths=tuple(groups),
      units=tuple(widths.count(w) for w in groups),
      head_convs=_three(depths), **options)
  return module, variables


def _unit(reader, prefix, inputs, width):
  """Parameters and statistics of a `psp_encoder.Unit`."""
  res = f"{prefix}.res_layer"
  hidden = reader.shape(f"{res}.5.fc1.weight", 4)[0]
  params, stats = {}, {}
  params["bn1"], stats["bn1"] = encoders.batch_norm(reader, f"{res}.0", inputs)
  params["conv1"] = {"kernel": reader.conv(
      f"{res}.1.weight", (width, inputs, 3, 3))}
  params["prelu"] = {"slope": reader.take(f"{res}.2.weight", (width,))}
  params["conv2"] = {"kernel": reader.conv(
      f"{res}.3.weight", (width, width, 3, 3))}
  params["bn2"], stats["bn2"] = encoders.batch_norm(reader, f"{res}.4", width)
  gate = lambda name, shape: {"kernel": np.ascontiguousarray(
      reader.conv(f"{res}.5.{name}.weight", shape)[0, 0])}
  params["se"] = {"down": gate("fc1", (hidden, width, 1, 1)),
                  "up": gate("fc2", (width, hidden, 1, 1))}
  if inputs != width:
    params["shortcut"] = {"kernel": reader.conv(
        f"{prefix}.shortcut_layer.0.weight", (width, inputs, 1, 1))}
    params["shortcut_bn"], stats["shortcut_bn"] = encoders.batch_norm(
        reader, f"{prefix}.shortcut_layer.1", width)
  return params, stats


def _head(reader, prefix, width, style_dim):
  """Parameters of a `fpn_encoder.LatentHead` and the length of its code."""
  pattern = re.compile(re.escape(prefix) + r"\.convs\.\d+\.weight")
  convs = [n.removesuffix(".weight") for n in reader.names(f"{prefix}.convs.")
           if pattern.fullmatch(n)]
  head = {f"conv{i}": encoders.conv(reader, name, width, width, 3)
          for i, name in enumerate(convs)}
  style_dim = style_dim or reader.shape(f"{prefix}.linear.weight", 2)[0]
  head["linear"] = {
      "kernel": reader.dense(f"{prefix}.linear.weight", (style_dim, width)),
      "bias": reader.take(f"{prefix}.linear.bias", (style_dim,))}
  return head, style_dim


def _split(depths):
  """How many latents have the depth of the coarse and of the middle heads."""
  levels = sorted(set(depths))
  return tuple(depths.count(levels[i]) if i < len(levels) else 0
               for i in (0, 1))


def _three(depths):
  """Depth of the heads on the coarse, middle and fine map."""
  levels = sorted(set(depths))
  return tuple(levels[min(i, len(levels) - 1)] for i in range(3))

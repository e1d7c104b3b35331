"""The pSp encoder of Fewshot-SMIS: state dicts to our variables."""

import re

import jax.numpy as jnp

from semseg_jax.interop import by_name
from semseg_jax.interop import state_dict as state_dicts
from semseg_jax.models import psp_encoder

_GROUPS = 4  # of units in the trunk, each of one width
_LAYERS = {
    "stem": "input_layer.0", "stem_bn": "input_layer.1",
    "stem_prelu": "input_layer.2", "lateral_middle": "latlayer1",
    "lateral_fine": "latlayer2"}
_UNIT = {
    "bn1": "res_layer.0", "conv1": "res_layer.1", "prelu": "res_layer.2",
    "conv2": "res_layer.3", "bn2": "res_layer.4", "down": "res_layer.5.fc1",
    "up": "res_layer.5.fc2", "shortcut": "shortcut_layer.0",
    "shortcut_bn": "shortcut_layer.1"}


def encoder(state_dict, **options):
  """GradualStyleEncoder from the entries `encoder.*` of a checkpoint.

  An entry "latent_avg" [D] or [styles, D], which checkpoints have beside the
  network, becomes the collection "mean".
  """
  reader = state_dicts.Reader(state_dict, "psp/encoder")
  channels = reader.shape("input_layer.0.weight", 4)[1]
  widths = [reader.shape(f"body.{i}.res_layer.1.weight", 4)[0]
            for i in range(reader.count("body."))]
  groups = sorted(set(widths), key=widths.index)
  if len(groups) != _GROUPS:
    raise ValueError(
        f"{reader.kind}: the units have the widths {groups}; expected "
        f"{_GROUPS} groups of one width each")
  styles = reader.count("styles.")
  convs = [_convs(reader, i) for i in range(styles)]
  depths = [len(names) for names in convs]
  style_dim = reader.shape("styles.0.linear.weight", 2)[0]
  mean = {}
  if "latent_avg" in reader:
    values = reader.take("latent_avg")
    if values.shape not in ((style_dim,), (styles, style_dim)):
      raise ValueError(
          f"{reader.kind}: entry 'latent_avg' has shape {list(values.shape)}, "
          f"expected [{style_dim}] or [{styles}, {style_dim}]")
    mean = {"mean": {"latents": values}}
  module = psp_encoder.GradualStyleEncoder(
      num_ws=styles, style_dim=style_dim, latent_split=_split(depths),
      widths=tuple(groups),
      units=tuple(widths.count(w) for w in groups),
      head_convs=_three(depths), **options)

  def name_of(path):
    if path[0] in _LAYERS:
      return _LAYERS[path[0]]
    kind, number = path[0].split("_")
    if kind == "body":
      return f"body.{number}.{_UNIT[path[-1]]}"
    if path[1] == "linear":
      return f"styles.{number}.linear"
    return convs[int(number)][int(path[1].removeprefix("conv"))]

  return module, mean | by_name.read(
      module, jnp.zeros((1, 16, 16, channels)), reader, name_of)


def _convs(reader, style):
  """Names of a head's convolutions, in order."""
  pattern = re.compile(rf"(styles\.{style}\.convs\.\d+)\.weight")
  matches = map(pattern.fullmatch, reader.names(f"styles.{style}.convs."))
  return [m[1] for m in matches if m]


def _split(depths):
  """How many latents have the depth of the coarse and of the middle heads."""
  levels = sorted(set(depths))
  return tuple(depths.count(levels[i]) if i < len(levels) else 0
               for i in (0, 1))


def _three(depths):
  """Depth of the heads on the coarse, middle and fine map."""
  levels = sorted(set(depths))
  return tuple(levels[min(i, len(levels) - 1)] for i in range(3))

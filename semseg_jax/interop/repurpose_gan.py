"""RepurposeGAN's networks: few-shot segmenters and the auto-shot U-Net."""

import functools

import flax
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.interop import state_dict as state_dicts
from semseg_jax.models import few_shot
from semseg_jax.models import unet as unets

_LEAVES = {
    "kernel": "weight", "scale": "weight", "bias": "bias",
    "mean": "running_mean", "var": "running_var",
    "count": "num_batches_tracked"}


def segmenter(kind: str, state_dict, **options):
  """`few_shot.FewShot` of a kind from its state dict.

  Args:
    kind: "cnn" (the authors': conv1.*, conv2.*, ...) or "cnn_s", "cnn_m",
      "cnn_l" (the notebook's: layers.0.*, layers.2.*, ...).
    state_dict: names to arrays; widths and classes are read off them.
    **options: further attributes of the module (size, dtype).

  Returns:
    The module and its variables: "params".
  """
  reader = state_dicts.Reader(state_dict, f"repurpose_gan/{kind}")
  depth = len(few_shot.KINDS[kind]["kernels"])
  shapes = [reader.shape(segmenter_name(kind, i, "weight"), 4)
            for i in range(depth)]
  module = few_shot.make(
      kind, shapes[-1][0], widths=tuple(s[0] for s in shapes[:-1]), **options)
  example = (jnp.zeros((1, 8, 8, shapes[0][1])),)
  return module, _read(
      module, reader, example,
      lambda path: segmenter_name(
          kind, int(path[1].removeprefix("conv")), _LEAVES[path[-1]]))


def segmenter_name(kind: str, layer: int, leaf: str) -> str:
  """The original's name of an entry of a few-shot segmenter."""
  name = f"conv{layer + 1}" if kind == "cnn" else f"layers.{2 * layer}"
  return f"{name}.{leaf}"


cnn, cnn_s, cnn_m, cnn_l = (
    functools.partial(segmenter, kind)
    for kind in ("cnn", "cnn_s", "cnn_m", "cnn_l"))


def unet(state_dict, **options):
  """`unet.AutoShotUNet` from its state dict.

  Args:
    state_dict: names to arrays; width and classes are read off them.
    **options: further attributes of the module (dtype).

  Returns:
    The module and its variables: "params", "batch_stats".
  """
  reader = state_dicts.Reader(state_dict, "repurpose_gan/unet")
  width, channels = reader.shape("inc.double_conv.0.weight", 4)[:2]
  module = unets.AutoShotUNet(
      num_classes=reader.shape("outc.conv.weight", 4)[0], width=width,
      **options)
  return module, _read(
      module, reader, jnp.zeros((1, 16, 16, channels)), _unet_name)


def _unet_name(path):
  """Our path -> the official name: down0 is inc, bottom down4, up3 up1."""
  block, leaf = path[1], _LEAVES[path[-1]]
  if block == "logits":
    return f"outc.conv.{leaf}"
  index = {"conv0": 0, "bn0": 1, "conv1": 3, "bn1": 4}[path[2]]
  number = int(block[-1]) if block != "bottom" else 4
  if block.startswith("up"):
    prefix = f"up{4 - number}.conv"
  else:
    prefix = f"down{number}.maxpool_conv.1" if number else "inc"
  return f"{prefix}.double_conv.{index}.{leaf}"


def _read(module, reader, example, name_of):
  """Takes the module's entries; their shapes must be the module's own."""
  expected = flax.traverse_util.flatten_dict(jax.eval_shape(
      lambda: module.init(jax.random.key(0), example)))
  flat = {}
  for path, leaf in expected.items():
    name, shape = name_of(path), leaf.shape
    if path[-1] == "count" and name not in reader:  # older files have none
      flat[path] = np.zeros((), np.int32)
    elif path[-1] == "kernel":
      flat[path] = reader.conv(name, (shape[3], shape[2], *shape[:2]))
    else:
      flat[path] = reader.take(name, shape).astype(leaf.dtype)
  reader.finish()
  return flax.traverse_util.unflatten_dict(flat)

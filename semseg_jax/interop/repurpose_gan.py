"""RepurposeGAN's networks: few-shot segmenters and the auto-shot U-Net."""

import functools

import jax.numpy as jnp

from semseg_jax.interop import by_name
from semseg_jax.interop import state_dict as state_dicts
from semseg_jax.models import few_shot
from semseg_jax.models import unet as unets


def segmenter(kind: str, state_dict, **options):
  """`few_shot.FewShot` of a kind from its state dict.

  Args:
    kind: "cnn" (the authors': conv1.*, conv2.*, ...) or "cnn_s", "cnn_m",
      "cnn_l" (the notebook's: layers.0.*, layers.2.*, ...).
    state_dict: names to arrays; widths and classes are read off them.
  """
  reader = state_dicts.Reader(state_dict, f"repurpose_gan/{kind}")
  depth = len(few_shot.KINDS[kind]["kernels"])
  shapes = [reader.shape(f"{segmenter_name(kind, i)}.weight", 4)
            for i in range(depth)]
  module = few_shot.make(
      kind, shapes[-1][0], widths=tuple(s[0] for s in shapes[:-1]), **options)
  example = (jnp.zeros((1, 8, 8, shapes[0][1])),)
  return module, by_name.read(
      module, example, reader,
      lambda path: segmenter_name(kind, int(path[0].removeprefix("conv"))))


def segmenter_name(kind: str, layer: int) -> str:
  """The original's name of a layer of a few-shot segmenter."""
  return f"conv{layer + 1}" if kind == "cnn" else f"layers.{2 * layer}"


cnn, cnn_s, cnn_m, cnn_l = (
    functools.partial(segmenter, kind)
    for kind in ("cnn", "cnn_s", "cnn_m", "cnn_l"))


def unet(state_dict, **options):
  """`unet.AutoShotUNet` from its state dict.

  Args:
    state_dict: names to arrays; width and classes are read off them.
  """
  reader = state_dicts.Reader(state_dict, "repurpose_gan/unet")
  width, channels = reader.shape("inc.double_conv.0.weight", 4)[:2]
  module = unets.AutoShotUNet(
      num_classes=reader.shape("outc.conv.weight", 4)[0], width=width,
      **options)
  return module, by_name.read(
      module, jnp.zeros((1, 16, 16, channels)), reader, _unet_name)


def _unet_name(path):
  """Our path -> the official name: down0 is inc, bottom down4, up3 up1."""
  block = path[0]
  if block == "logits":
    return "outc.conv"
  index = {"conv0": 0, "bn0": 1, "conv1": 3, "bn1": 4}[path[1]]
  number = int(block[-1]) if block != "bottom" else 4
  if block.startswith("up"):
    prefix = f"up{4 - number}.conv"
  else:
    prefix = f"down{number}.maxpool_conv.1" if number else "inc"
  return f"{prefix}.double_conv.{index}"

"""s4GAN's networks, and ImageNet classifiers that their backbones start from.

Batch counters may be missing.
"""

import functools
import re

import jax.numpy as jnp

from semseg_jax.interop import by_name
from semseg_jax.interop import state_dict as state_dicts
from semseg_jax.models import deeplab
from semseg_jax.models import resnet
from semseg_jax.models import segmentation_discriminators as discriminators
from semseg_jax.models import wide_resnet

_BRANCHES = (6, 12, 18, 24)  # Dilations of s4GAN's classifier.
_IMAGE_PX = 33  # Of the example whose shapes entries are compared with.


def deeplabv2(state_dict, *, used_branches: int | None = 2, **options):
  """DeepLabV2 as in s4GAN's official code, with that network's quirks.

  Args:
    used_branches: how many of the classifier's branches count; the official
      code forgets all but two. None: all.
  """
  reader = state_dicts.Reader(state_dict, "s4gan/deeplabv2")
  width, channels = reader.shape("conv1.weight", 4)[:2]
  classes = reader.shape("layer5.conv2d_list.0.weight", 4)[0]
  branches = reader.count("layer5.conv2d_list.")
  if branches > len(_BRANCHES):
    raise ValueError(
        f"{reader.kind}: expected at most {len(_BRANCHES)} branches "
        f"layer5.conv2d_list.*, found {branches}")
  blocks = tuple(reader.count(f"layer{i}.") for i in (1, 2, 3, 4))
  depths = [d for d in (18, 34, 50, 101)
            if (d >= 50) == ("layer1.0.conv3.weight" in reader)]
  known = [d for d in depths if resnet.BLOCKS[d] == blocks]
  module = deeplab.DeepLabV2(
      num_classes=classes, depth=(known or depths)[0], width=width,
      blocks=None if known else blocks, branches=_BRANCHES[:branches],
      used_branches=used_branches, stride_first=True, ceil_pool=True,
      frozen_affine=True, **options)
  return module, by_name.read(
      module, _example(channels), reader, deeplabv2_name)


def deeplabv3plus(state_dict, **options):
  """DeepLabV3Plus on the wide ResNet-38, as s4GAN trained it on Cityscapes.
  """
  reader = state_dicts.Reader(state_dict, "s4gan/deeplabv3plus")
  width, channels = reader.shape("backbone.mod1.conv1.weight", 4)[:2]
  blocks = _wide_blocks(reader, "backbone.")
  module = deeplab.DeepLabV3Plus(
      num_classes=reader.shape("final.6.weight", 4)[0], depth=38, width=width,
      blocks=None if blocks == wide_resnet.BLOCKS else blocks,
      features=reader.shape("bot_aspp.weight", 4)[0],
      fine_features=reader.shape("bot_fine.weight", 4)[0], **options)
  return module, by_name.read(
      module, _example(channels), reader, deeplabv3plus_name)


def discriminator(state_dict, **options):
  """s4GAN's ImageDiscriminator."""
  reader = state_dicts.Reader(state_dict, "s4gan/discriminator")
  width, channels = reader.shape("conv1.weight", 4)[:2]
  module = discriminators.ImageDiscriminator(width=width, **options)
  return module, by_name.read(module, _example(channels), reader, ".".join)


def _classifier(depth, state_dict, **options):
  """A `resnet.Classifier` under torchvision's names.

  Args:
    depth: 18, 34, 50 or 101.
  """
  reader = state_dicts.Reader(state_dict, f"resnet{depth}")
  width, channels = reader.shape("conv1.weight", 4)[:2]
  classes = reader.shape("fc.weight", 2)[0]
  module = resnet.Classifier(classes, depth, width, **options)
  return module, by_name.read(
      module, _example(channels), reader, classifier_name)


resnet18 = functools.partial(_classifier, 18)
resnet34 = functools.partial(_classifier, 34)
resnet50 = functools.partial(_classifier, 50)
resnet101 = functools.partial(_classifier, 101)


def wide_resnet38(state_dict, **options):
  """WideResNet38, the backbone, from an ImageNet classifier or from itself.

  Args:
    state_dict: names to arrays; the classifier's last layers (`bn_out.*`,
      `classifier.*`) are left out.
  """
  reader = state_dicts.Reader(
      state_dict, "wide_resnet38", unused=("bn_out.", "classifier."))
  width, channels = reader.shape("mod1.conv1.weight", 4)[:2]
  module = wide_resnet.WideResNet38(
      width=width, blocks=_wide_blocks(reader), **options)
  return module, by_name.read(
      module, _example(channels), reader, wide_resnet38_name)


def classifier_name(path):
  """The original's name of a layer of a `resnet.Classifier`."""
  return _resnet_name(path[1:]) if path[0] == "backbone" else path[0]


def deeplabv2_name(path):
  """The original's name of a layer of a `deeplab.DeepLabV2`."""
  if path[0] == "backbone":
    return _resnet_name(path[1:])
  return f"layer5.conv2d_list.{path[0].removeprefix('branch')}"


def deeplabv3plus_name(path):
  """The original's name of a layer of a `deeplab.DeepLabV3Plus`."""
  if path[0] == "backbone":
    return f"backbone.{wide_resnet38_name(path[1:])}"
  layer, norm = path[-1].removesuffix("_bn"), int(path[-1].endswith("_bn"))
  if path[0] == "aspp":
    if layer == "image":
      return f"aspp.img_conv.{norm}"
    return f"aspp.features.{layer.removeprefix('conv')}.{norm}"
  prefixes = {"deep": "bot_aspp", "fine": "bot_fine", "logits": "final.6"}
  if layer in prefixes:
    return prefixes[layer]
  # Convolution, norm and ReLU, twice.
  return f"final.{3 * int(layer.removeprefix('final')) + norm}"


def wide_resnet38_name(path):
  """The original's name of a layer of a `wide_resnet.WideResNet38`."""
  if len(path) == 1:
    return f"{path[0]}.conv1"
  block, layer = path
  block = block.replace("_", ".block")
  if layer.startswith("bn"):
    return f"{block}.{layer}.0" if layer == "bn1" else (
        f"{block}.convs.{layer}.0")
  return f"{block}.{layer}" if layer == "proj_conv" else (
      f"{block}.convs.{layer}")


def _resnet_name(path):
  """torchvision's name of a layer of a `resnet.ResNet`."""
  if len(path) == 1:
    return {"stem": "conv1", "stem_bn": "bn1"}[path[0]]
  layer = re.sub(r"conv(\d)_bn", r"bn\1", path[1])
  layer = {"shortcut": "downsample.0", "shortcut_bn": "downsample.1"}.get(
      layer, layer)
  return f"{path[0].replace('_', '.')}.{layer}"


def _wide_blocks(reader, prefix=""):
  """Blocks of mod2 to mod7, which the original counts from 1."""
  counts = (reader.count(f"{prefix}mod{i}.block") for i in range(2, 8))
  return tuple(max(count - 1, 1) for count in counts)


def _example(channels):
  return jnp.zeros((1, _IMAGE_PX, _IMAGE_PX, channels))

"""What configs of all methods share: the argument's parser, common blocks.

The argument is the text after the colon of --config=file.py:TEXT,
comma-separated `name=value` pairs and bare words, e.g.
`labels=10,unlabeled=3000,seed=1,smoke`. What a config accepts is stated by its
defaults; anything else is an error that lists them.
"""

import ml_collections
from ml_collections import config_dict

BACKBONES = tuple(f"efficientnet_lite{i}" for i in range(5))


class Arguments(dict):
  """{name: value} of a config's arguments; `given`: names that were written."""
  given: frozenset[str] = frozenset()


def parse_arg(arg: str, **defaults) -> Arguments:
  """Reads `arg` against `defaults`.

  Args:
    arg: text such as "labels=10,smoke"; empty for the defaults.
    **defaults: accepted names; a bool default is a bare word.

  Returns:
    The defaults with what `arg` sets, in the defaults' types.

  Raises:
    ValueError: unknown name, one given twice, or a value of the wrong type.
  """
  values = Arguments(defaults)
  for item in filter(None, (arg or "").split(",")):
    name, _, text = item.partition("=")
    if name not in defaults:
      raise ValueError(
          f"config argument {name!r} is unknown; this config accepts "
          f"{', '.join(defaults)}")
    if name in values.given:
      raise ValueError(f"config argument {name!r} is given twice")
    values.given |= {name}
    kind = type(defaults[name])
    if kind is bool:
      if text not in ("", "true", "false", "True", "False"):
        raise ValueError(
            f"config argument {name!r} is a bare word or true/false, "
            f"not {text!r}")
      values[name] = text.lower() != "false"
      continue
    try:
      values[name] = kind(text)
    except ValueError:
      raise ValueError(
          f"config argument {name}={text!r} is not of type "
          f"{kind.__name__}") from None
  return values


def faults() -> ml_collections.ConfigDict:
  """Block `faults`."""
  return ml_collections.ConfigDict(dict(
      max_unreadable_images=0,  # training images that may be unreadable
      rollbacks=0))  # returns to the newest checkpoint after NaN, per stage


def data(seed) -> ml_collections.ConfigDict:
  """Block `data`; `seed` chooses the labeled images."""
  return ml_collections.ConfigDict(dict(
      name="", data_dir="", cache_dir="",  # "" = the user's cache folder
      size=256, channels=3, num_classes=8,
      # Label of pixels that do not count; None: the data set's own.
      ignore_index=config_dict.placeholder(int),
      allow_overlap=False,  # images that are trained on and scored
      num_labeled=-1,  # labeled images; -1 all
      num_unlabeled=-1,  # unlabeled images; -1 all
      # How often images of the labeled pool stand among the unlabeled ones,
      # where they do and are few.
      pool_repeats=1,
      split_seed=seed,  # which nested subset
      seed=0,  # of procedural data sets
      validation="val",  # that checkpoints are chosen on; "" = the last one
      num_validation_images=0,  # 0 = the whole split
      in_domain="test",
      out_of_domain=(),  # names of splits
      workers=0,  # reading threads beside the main one
      # Probabilities, then ranges; for labeled pairs --seg_aug of the official
      # code.
      augment=dict(flip_unlabeled=0.0, flip_labeled=0.0, affine=0.0,
                   shift=0.1, scale=0.2, rotate=15.0)))


def pretrained() -> ml_collections.ConfigDict:
  """Block `pretrained`."""
  return ml_collections.ConfigDict(dict(
      # .pth or converted files; "" = of the package, where it is installed.
      efficientnet_lite0="", efficientnet_lite1="", efficientnet_lite2="",
      efficientnet_lite3="", efficientnet_lite4=""))


def geometry() -> ml_collections.ConfigDict:
  """Block `data.geometry`: squares of `data.size`, resized, by default."""
  return ml_collections.ConfigDict(dict(
      shape=(),  # (height, width) of training images; () = a square
      resize=(),  # (height, width) of all images and labels, before all else
      crop=False,  # random crops of `shape` instead of resizing to it
      scales=(), short_side=(),  # of a crop's image: scales; (least, most)
      blur=0.0,  # probability of a blur of a crop
      fill=(0, 0, 0),  # right of and below small images
      fill_label=config_dict.placeholder(int),  # there; None: ignored
      evaluate=(),  # (height, width) networks see in evaluation; () = `shape`
      pad_evaluation=False,  # pad to it instead of resizing
      evaluate_short_side=0))  # score center squares of images of this side


def segmenter() -> ml_collections.ConfigDict:
  """Block `segmenter`: the U-Net of `supervised` by default."""
  return ml_collections.ConfigDict(dict(
      network="unet",  # unet, deeplabv2, deeplabv3plus or semantic_fpn
      backbone="",  # efficientnet_lite0, ...: instead of the network's backbone
      frozen_statistics=False,  # of that backbone's batch norm
      backbone_factor=1.0,  # its rate / the head's, under "adamw"
      depth=101,  # of the ResNet: 18, 34, 50, 101; 38: wide (deeplabv3plus)
      width=64,
      blocks=(),  # per stage of the ResNet; () = those of `depth`
      output_stride=8,
      branches=(6, 12, 18, 24),  # dilations of DeepLabv2's classifier
      features=256, fine_features=48,  # of DeepLabv3+ and semantic FPN
      # As the networks that DeepLabv2's published weights belong to.
      stride_first=False, ceil_pool=False, frozen_affine=False,
      normalize="unit",  # of images: unit, imagenet, caffe, ...
      weights=""))  # converted file to start from


def on_backbone(c, name: str):
  """DeepLabv3+ on a pretrained EfficientNet-Lite as the segmenter.

  The backbone keeps its statistics of ImageNet and learns slower than the rest.

  Args:
    c: config, changed by this function.
    name: such as "efficientnet_lite0".

  Raises:
    ValueError: no such backbone.
  """
  if name not in BACKBONES:
    raise ValueError(f"config argument backbone={name!r}: choose one of "
                     f"{', '.join(BACKBONES)}")
  c.segmenter.update(
      network="deeplabv3plus", backbone=name, frozen_statistics=True,
      backbone_factor=0.3, normalize="unit", weights="", output_stride=16)
  c.supervised.update(optimizer="adamw", learning_rate=1e-3, weight_decay=1e-4)
  return c


def own_backbone(c, network: str):
  """Undoes the part of `on_backbone` that a network with its own one refuses.

  Args:
    c: config, changed by this function.
    network: instead of the one on the backbone.
  """
  c.segmenter.update(network=network, backbone="", frozen_statistics=False,
                     backbone_factor=1.0)
  return c


def narrow_deeplab(c):
  """A DeepLab for images of 64 px, whose coarse maps are 8 x 8 then."""
  c.segmenter.update(depth=18, width=16, features=64, fine_features=24,
                     output_stride=8)
  return c

"""The segmentation network of a config, and how it is trained and restored.

`config.segmenter` describes it for every stage that trains one, so that a
table's rows differ in nothing else.
"""

from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import optax

from semseg_jax.interop import initial as starts
from semseg_jax.interop import pretrained
from semseg_jax.methods.common import data
from semseg_jax.methods.common import grids
from semseg_jax.methods.common import networks
from semseg_jax.methods.common import trained
from semseg_jax.methods.common import validation
from semseg_jax.models import backbone_unet
from semseg_jax.models import deeplab
from semseg_jax.models import efficientnet_lite
from semseg_jax.models import semantic_fpn
from semseg_jax.models import unet
from semseg_jax.ops import image_ops
from semseg_jax.ops import resample
from semseg_jax.training import checkpoint
from semseg_jax.training import optimizers

NETWORKS = ("unet", "deeplabv2", "deeplabv3plus", "semantic_fpn")


def build(config):
  """The module: its logits have a channel for each class.

  Raises ValueError: unknown network or backbone, or not for each other or for
    the images' size.
  """
  c = config.segmenter
  dtype = jnp.dtype(config.dtype)
  _check_backbone(c)
  if c.network == "unet" and c.backbone:
    return backbone_unet.BackboneUNet(
        num_classes=networks.label_channels(config),
        variant=efficientnet_lite.NAMES[c.backbone],
        width=config.supervised.width, frozen_statistics=c.frozen_statistics,
        dtype=dtype)
  if c.network == "unet":
    _check_sides(config)
    return unet.UNet(
        num_classes=networks.label_channels(config),
        width=config.supervised.width, levels=config.supervised.levels,
        dtype=dtype)
  if c.network == "deeplabv3plus":
    return deeplab.DeepLabV3Plus(
        num_classes=config.data.num_classes, depth=c.depth, width=c.width,
        blocks=tuple(c.blocks) or None, output_stride=c.output_stride,
        features=c.features, fine_features=c.fine_features,
        backbone=c.backbone, frozen_statistics=c.frozen_statistics,
        dtype=dtype)
  if c.network == "deeplabv2":
    return deeplab.DeepLabV2(
        num_classes=config.data.num_classes, depth=c.depth, width=c.width,
        blocks=tuple(c.blocks) or None, output_stride=c.output_stride,
        branches=tuple(c.branches),
        used_branches=2 if config.match_official else None,
        stride_first=c.stride_first, ceil_pool=c.ceil_pool,
        frozen_affine=c.frozen_affine, dtype=dtype)
  if c.network == "semantic_fpn":
    if not c.backbone:
      raise ValueError("config.segmenter.network 'semantic_fpn' stands on a "
                       "pretrained backbone: name config.segmenter.backbone")
    return semantic_fpn.SemanticFPN(
        num_classes=config.data.num_classes,
        variant=efficientnet_lite.NAMES[c.backbone], features=c.features,
        branch_features=c.fine_features,
        frozen_statistics=c.frozen_statistics, dtype=dtype)
  raise ValueError(
      f"config.segmenter.network is {c.network!r}; choose one of {NETWORKS}")


def _check_backbone(c):
  if not c.backbone:
    return
  if c.backbone not in efficientnet_lite.NAMES:
    raise ValueError(
        f"config.segmenter.backbone is {c.backbone!r}; choose one of "
        f"{list(efficientnet_lite.NAMES)} or '' for the network's own")
  if c.network == "deeplabv2" or c.normalize != "unit":
    raise ValueError(
        f"config.segmenter.backbone {c.backbone!r} is for network 'unet', "
        f"'deeplabv3plus' or 'semantic_fpn' and images normalised as 'unit', "
        f"not for {c.network!r} and {c.normalize!r}")


def _check_sides(config):
  levels = config.supervised.levels
  for sides in (data.shape(config), data.evaluation_shape(config)):
    if any(x % 2 ** levels for x in sides):
      raise ValueError(
          f"images are {sides[0]} x {sides[1]} (config.data.size or "
          f".geometry), but a U-Net of config.supervised.levels={levels} needs "
          f"sides that {2 ** levels} divides: give a power of two")


def normalized(config, image, block: str = "segmenter") -> jax.Array:
  """Images as the network of a block takes them: uint8 is normalized, float is
  not."""
  if image.dtype != jnp.uint8:
    return image
  return image_ops.normalize(image, config[block].normalize)


def channels(config, block: str = "segmenter") -> int:
  """Channels of `normalized`: those of an RGB network for gray images, too."""
  return config.data.channels if config[block].normalize == "unit" else 3


def initial(config) -> dict[str, Any]:
  """Variables to start from; {} without any.

  Those of the file `config.segmenter.weights`, else ImageNet's of the backbone
  that the config names.
  """
  c = config.segmenter
  if c.backbone and not c.weights:
    return pretrained.variables(c.backbone, config.pretrained)
  return trained.converted(c.weights, "config.segmenter.weights")


def init(module, key, shape, channels: int, given=None) -> dict[str, Any]:
  """Variables {"params", "batch_stats"?}: random, then those that are given.

  Args:
    module: from `build`.
    shape: (height, width) of an image.
    channels: of an image.
    given: variables of `initial`, of a network with the same backbone.

  Raises ValueError: the backbones differ.
  """
  # Compiled: layer by layer a deep network takes longer.
  variables = dict(jax.jit(lambda key: module.init(
      key, jnp.zeros((1, *shape, channels)), train=False))(key))
  if not given:
    return variables
  return starts.copy_agreeing(variables, given)


def apply(module, variables, image, *, train: bool, key=None):
  """Logits [N, H, W, K] float32 of [N, H, W, C], and the variables after.

  Logits of a coarser stride are resized to the image's size with aligned
  corners. The variables change in training only (running statistics); `key` is
  for the dropout that a network may have there.
  """
  logits, variables = forward(module, variables, image, train=train, key=key)
  if logits.shape[1:3] != image.shape[1:3]:
    logits = resample.resize_aligned(logits, image.shape[1:3])
  return logits, variables


def forward(module, variables, image, *, train: bool, key=None):
  """A network's first output in float32, and the variables after."""
  if train:
    outputs, changed = module.apply(
        variables, image, train=True, mutable=["batch_stats"],
        rngs=None if key is None else {"dropout": key})
    variables = {**variables, **changed}
  else:
    outputs = module.apply(variables, image, train=False)
  output = outputs[0] if isinstance(outputs, tuple) else outputs
  return output.astype(jnp.float32), variables


def groups(module, params):
  """Tree like `params` of "backbone", "head" or "frozen"."""
  if isinstance(module, unet.UNet):
    return jax.tree.map(lambda _: "backbone", params)
  return deeplab.parameter_groups(module, params)


def repeats(config):
  """What `sgd` takes as `repeats`: those of the official code's DeepLabv2."""
  official = config.match_official and config.segmenter.network == "deeplabv2"
  return official_repeats if official else None


def official_repeats(params):
  """How often each parameter stands in the list of s4GAN's optimizer.

  The official code walks over all modules and, for each, over all parameters
  below it: a convolution of a block stands there three times, a projection four
  times, the first one and the classifier once.
  """

  def count(path, leaf):
    del leaf
    if path[0] != "backbone" or not path[1].startswith("layer"):
      return 1
    return 4 if path[2] == "shortcut" else 3

  return flax.traverse_util.path_aware_map(count, params)


def poly(learning_rate: float, steps: int) -> optax.Schedule:
  """DeepLab's decay to 0 (Chen et al. 2017, section 4.1)."""
  return optax.polynomial_schedule(learning_rate, 0.0, 0.9, steps)


def optimizer(config, block: str, group_tree, repeat_tree=None
              ) -> optax.GradientTransformation:
  """SGD with poly decay, the head at `head_factor` times the rate; or AdamW
  with a cosine, which learns faster from scratch, the backbone at
  `config.segmenter.backbone_factor` times the rate.

  Args:
    config: the experiment's.
    block: its block with optimizer, learning_rate, steps, weight_decay and, for
      SGD, momentum and head_factor.
    group_tree: params -> `groups`.
    repeat_tree: `repeats` of `optimizers.sgd`; AdamW has none.

  Raises ValueError: unknown optimizer, or a rate of a backbone that is not
    there.
  """
  c = config[block]
  if c.optimizer == "sgd":
    factor = {"backbone": 1.0, "head": c.head_factor, "frozen": 0.0}
    return optimizers.sgd(
        poly(c.learning_rate, c.steps), momentum=c.momentum,
        weight_decay=c.weight_decay, repeats=repeat_tree,
        factors=lambda params: jax.tree.map(
            lambda name: factor[name], group_tree(params)))
  if c.optimizer == "adamw":
    tx = lambda factor: optax.adamw(
        optax.cosine_decay_schedule(
            c.learning_rate * factor, max(1, c.steps)),
        weight_decay=c.weight_decay)
    return optax.partition(
        {"backbone": tx(_backbone_factor(config, block)), "head": tx(1.0),
         "frozen": optax.set_to_zero()}, group_tree)
  raise ValueError(
      f"config.{block}.optimizer is {c.optimizer!r}; use 'adamw' or 'sgd'")


def _backbone_factor(config, block: str) -> float:
  """`config.segmenter.backbone_factor` for the stage with `block`.

  Raises ValueError: the network has no backbone whose rate it could be.
  """
  c = config.segmenter
  if (c.backbone_factor != 1 and c.network == "unet" and not c.backbone
      and config[block].optimizer == "adamw"):
    raise ValueError(
        f"config.segmenter.backbone_factor is {c.backbone_factor}, but a U-Net "
        "without config.segmenter.backbone has no backbone that could learn "
        f"slower: set it to 1, and config.{block}.learning_rate to the rate of "
        "the whole network")
  return c.backbone_factor


def watched(config, module, name: str = "network") -> dict[str, Any]:
  """A stage's `sample` and `validate` of the variables `name` of its state."""
  logits = _logits_of(config, module)
  return {
      "sample": grids.labeler(
          config, lambda state, x: logits(getattr(state, name), x)),
      "validate": validation.validator(
          config, lambda state, frozen, x: logits(getattr(state, name), x))}


def variables_of(config, workdir, stage_name: str, needed_by: str,
                 module=None, *, name: str = "network") -> dict[str, Any]:
  """Variables of a stage's best checkpoint on validation.

  The stage's state has to hold them in `name`.

  Raises FileNotFoundError: the stage has no checkpoint; `needed_by` wants it.
  """
  module = module or build(config)
  abstract = jax.eval_shape(
      lambda key: init(module, key, data.shape(config), channels(config)),
      jax.random.key(0))
  return trained.restored(
      workdir, stage_name, {name: abstract}, needed_by,
      step=checkpoint.best)[name]


def restored(config, workdir, stage_name: str, module=None, *,
             name: str = "network", needed_by: str = "evaluation"):
  """predict(images) -> logits of the variables that `variables_of` finds."""
  module = module or build(config)
  variables = variables_of(
      config, workdir, stage_name, needed_by, module, name=name)
  logits = _logits_of(config, module)
  return lambda images: jax.device_get(logits(variables, images))


def _logits_of(config, module):
  return jax.jit(lambda variables, images: apply(
      module, variables, normalized(config, images), train=False)[0])


def predictor(config, workdir, stage_name: str, *, name: str = "network"):
  """predict(images, indices) -> {stage_name: {"logits"}} of a run."""
  logits = restored(config, workdir, stage_name, name=name)
  return lambda images, indices: {
      stage_name: {"logits": logits(images)}}

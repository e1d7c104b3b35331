"""DeepLab: dilated backbones under atrous spatial pyramid pooling.

DeepLabv2 (Chen et al. 2017, "DeepLab: Semantic Image Segmentation ...") and
DeepLabv3+ (Chen et al. 2018, "Encoder-Decoder with Atrous Separable
Convolution ..."), with the variants that s4GAN (Mittal et al. 2019) trained.
"""

from typing import Any

from flax import linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp

from semseg_jax.models import efficientnet_lite
from semseg_jax.models import resnet
from semseg_jax.models import torch_layers
from semseg_jax.models import wide_resnet

# s4GAN's initializer of every DeepLabv2 convolution.
_small_normal = nn.initializers.normal(0.01)
_he_fan_in = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
# Output stride -> dilations of DeepLabv3+'s pyramid.
_RATES = {16: (6, 12, 18), 8: (12, 24, 36)}


class DeepLabV2(nn.Module):
  """Image [N, H, W, C] -> (logits, maps by name).

  Logits [N, h, w, num_classes], float32, at the output stride: h is H /
  output_stride, rounded up or one more. Resize them with
  `ops.resample.resize_aligned`. Maps by name: see `resnet.ResNet`.

  Attributes:
    num_classes: output channels.
    depth, width, blocks, output_stride, stride_first, ceil_pool,
      frozen_affine: see `resnet.ResNet`.
    branches: dilations of the classifier's 3x3 convolutions, which are summed.
    used_branches: only the first so many are summed (2 in the official code of
      s4GAN); the others are parameters without effect. None: all.
    dtype: compute dtype of the backbone; the classifier is float32.
  """
  num_classes: int
  depth: int = 101
  output_stride: int = 8
  branches: tuple[int, ...] = (6, 12, 18, 24)
  used_branches: int | None = None
  width: int = 64
  blocks: tuple[int, int, int, int] | None = None
  stride_first: bool = False
  ceil_pool: bool = False
  frozen_affine: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image, *, train: bool = False):
    x, maps = resnet.ResNet(
        self.depth, self.width, self.blocks, self.output_stride,
        self.stride_first, self.ceil_pool, self.frozen_affine, _small_normal,
        self.dtype, name="backbone")(image, train=train)
    outputs = [
        torch_layers.Conv(
            self.num_classes, 3, padding=dilation, dilation=dilation,
            kernel_init=_small_normal, name=f"branch{i}")(x)
        for i, dilation in enumerate(self.branches)]
    return sum(outputs[:self.used_branches]), maps


class DeepLabV3Plus(nn.Module):
  """Image [N, H, W, C] -> (logits, maps by name).

  Logits [N, h, w, num_classes], float32, at stride 4, with the wide ResNet at
  stride 2; resize them with `ops.resample.resize_aligned`. Maps by name: the
  backbone's, "aspp", and what the decoder joins: "fine" and, before it is
  enlarged, "deep".

  Attributes:
    num_classes: output channels.
    depth: 18, 34, 50 or 101 for a ResNet, 38 for the wide one.
    backbone: "efficientnet_lite0" to "efficientnet_lite4" instead of them.
    output_stride: 8 or 16; the wide ResNet has 8.
    width: of the backbone, see `resnet.ResNet`.
    blocks: of the backbone, too.
    features: channels of the pyramid's branches and of the decoder.
    fine_features: channels of the early map in the decoder.
    dropout: see `wide_resnet.WideResNet38`.
    frozen_statistics: the EfficientNet keeps its batch norm's statistics.
    dtype: compute dtype of all but the last layer.
  """
  num_classes: int
  depth: int = 101
  output_stride: int = 8
  width: int = 64
  blocks: tuple[int, ...] | None = None
  features: int = 256
  fine_features: int = 48
  dropout: tuple[float, float] = (0.3, 0.5)
  backbone: str = ""
  frozen_statistics: bool = False
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image, *, train: bool = False):
    x, maps, early = self._backbone(image, train)
    aspp = SpatialPyramid(
        self.features, _RATES[self.output_stride], self.dtype, name="aspp")(
            x, train=train)
    deep = self._conv("deep", self.features, 1)(aspp)
    fine = self._conv("fine", self.fine_features, 1)(early)
    x = jnp.concatenate(
        [fine, torch_layers.resize_like(deep, fine)], axis=-1)
    for i in (0, 1):
      x = self._conv(f"final{i}", self.features, 3, _he_fan_in)(x)
      x = torch_layers.BatchNorm(dtype=self.dtype, name=f"final{i}_bn")(
          x, train=train)
      x = jax.nn.relu(x)
    logits = torch_layers.Conv(
        self.num_classes, 1, use_bias=False, kernel_init=_he_fan_in,
        name="logits")(x)
    return logits, {**maps, "aspp": aspp, "deep": deep, "fine": fine}

  def _backbone(self, image, train):
    """The last map, all maps by name, and the early one for the decoder."""
    wide = self.depth == 38 and not self.backbone
    if self.output_stride not in ((8,) if wide else _RATES):
      raise ValueError(
          f"DeepLabv3+ of depth {self.depth} with output stride "
          f"{self.output_stride}: choose 8 (or 16, if the depth is not 38)")
    if self.backbone:
      x, maps = efficientnet_lite.EfficientNetLite(
          efficientnet_lite.NAMES[self.backbone], self.output_stride,
          self.dtype, name="backbone")(
              image, train=train and not self.frozen_statistics)
      return x, maps, maps["level2"]
    if wide:
      x, maps = wide_resnet.WideResNet38(
          self.width, self.blocks or wide_resnet.BLOCKS, self.dropout,
          self.dtype, name="backbone")(image, train=train)
      return x, maps, maps["mod2"]
    x, maps = resnet.ResNet(
        self.depth, self.width, self.blocks, self.output_stride,
        dtype=self.dtype, name="backbone")(image, train=train)
    return x, maps, maps["layer1"]

  def _conv(self, name, features, kernel, kernel_init=None):
    return torch_layers.Conv(
        features, kernel, padding=kernel // 2, use_bias=False,
        kernel_init=kernel_init, dtype=self.dtype, name=name)


class SpatialPyramid(nn.Module):
  """DeepLabv3's pooling pyramid: [N, h, w, C] -> [N, h, w, 5 * features].

  In this order the whole map's mean, a 1x1 and three dilated 3x3 convolutions,
  each with batch norm and ReLU.
  """
  features: int
  rates: tuple[int, int, int]
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x, *, train: bool):
    def branch(x, name, kernel=1, dilation=1):
      x = torch_layers.Conv(
          self.features, kernel, padding=dilation * (kernel // 2),
          dilation=dilation, use_bias=False, dtype=self.dtype, name=name)(x)
      return jax.nn.relu(torch_layers.BatchNorm(
          dtype=self.dtype, name=f"{name}_bn")(x, train=train))

    mean = x.astype(jnp.float32).mean((1, 2), keepdims=True)
    pooled = branch(mean, "image")
    outputs = [jnp.broadcast_to(pooled, (*x.shape[:3], self.features)),
               branch(x, "conv0")]
    for i, rate in enumerate(self.rates, start=1):
      outputs.append(branch(x, f"conv{i}", 3, rate))
    return jnp.concatenate(outputs, axis=-1)


def parameter_groups(module, params):
  """Which learning rate each parameter of a DeepLab gets.

  Args:
    module: `DeepLabV2` or another network whose backbone is named "backbone".
    params: its collection "params".

  Returns:
    A tree like `params` of "backbone", "head" or "frozen": the last for batch
    norm under `frozen_affine` and for branches that are not used, which must
    not even decay. For `optax.partition`.
  """
  frozen_affine = getattr(module, "frozen_affine", False)
  unused = set()
  if getattr(module, "used_branches", None) is not None:
    unused = {f"branch{i}" for i in range(
        module.used_branches, len(module.branches))}

  def group(path, leaf):
    del leaf
    if path[0] != "backbone":
      return "frozen" if path[0] in unused else "head"
    frozen = frozen_affine and path[-2].endswith("_bn")
    return "frozen" if frozen else "backbone"

  return flax.traverse_util.path_aware_map(group, params)

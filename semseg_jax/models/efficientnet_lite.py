"""EfficientNet-Lite0 to Lite4, backbone and classifier.

EfficientNet (Tan and Le 2019) without squeeze-and-excitation, with ReLU6 for
swish; stem, head and the depths of first and last stage are not scaled.
Images are scaled to [-1, 1]; padding is TensorFlow's "SAME".
"""

import math
from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from semseg_jax.models import torch_layers
from semseg_jax.ops import conv
from semseg_jax.ops import depthwise_conv

# Variant -> multipliers of (width, depth), as published with the weights.
VARIANTS = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2), 3: (1.2, 1.4),
            4: (1.4, 1.8)}
# Names in configs -> variant.
NAMES = {f"efficientnet_lite{variant}": variant for variant in VARIANTS}
# (blocks, kernel, stride, expansion, channels) per stage; Tan and Le, table 1.
_STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40),
           (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
           (1, 3, 1, 6, 320))
# The last stage of each size of map.
_LEVEL_ENDS = (0, 1, 2, 4, 6)
_STEM, _HEAD = 32, 1280  # channels
_EPSILON, _MOMENTUM = 1e-3, 0.99  # of batch norm
_he_fan_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
_STRIDES = (8, 16, 32)


class EfficientNetLite(nn.Module):
  """The backbone: image [N, H, W, 3 or 1] in [-1, 1] -> (last map, by name).

  Maps by name: "level1" to "level5" in the compute dtype, level i of 1 / 2**i
  of the image's size, rounded up, but at least 1 / output_stride. The last map
  is level 5. One channel is repeated.
  """
  variant: int = 0  # 0 to 4
  output_stride: int = 32  # 32, or 16 or 8 by dilating the later stages
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image, *, train: bool = False):
    """`train` normalizes with batch statistics and updates the running ones."""
    if self.variant not in VARIANTS:
      raise ValueError(
          f"EfficientNet-Lite{self.variant}: choose one of {list(VARIANTS)}")
    if self.output_stride not in _STRIDES:
      raise ValueError(f"output stride {self.output_stride}: choose one of "
                       f"{list(_STRIDES)}")
    x = jnp.broadcast_to(image, (*image.shape[:-1], 3))
    x = _conv_bn(x, "stem", _STEM, 3, 2, train, self.dtype)
    maps, index, reached, dilation = {}, 0, 2, 1
    for stage, (_, kernel, stride, expansion, _) in enumerate(_STAGES):
      blocks, channels = stage_sizes(self.variant)[stage]
      for i in range(blocks):
        strided = stride if i == 0 else 1
        # A stride that is left out spreads the taps of what follows it.
        dilate = strided if reached * strided > self.output_stride else 1
        strided //= dilate
        reached *= strided
        x = Block(channels, kernel, strided, expansion, dilation, self.dtype,
                  name=f"block_{index}")(x, train=train)
        dilation *= dilate
        index += 1
      if stage in _LEVEL_ENDS:
        maps[f"level{len(maps) + 1}"] = x
    return x, maps


class Classifier(nn.Module):
  """Image [N, H, W, 3 or 1] in [-1, 1] -> (logits [N, classes], maps by name).

  Logits are float32. The maps are the backbone's and "pooled", the mean
  [N, 1280] in float32 of the last map widened, of which the logits are a linear
  function.

  Others: see `EfficientNetLite`.
  """
  num_classes: int = 1000  # number of logits
  variant: int = 0
  output_stride: int = 32
  pooling: str = "mean"  # "mean", or "max", in which small objects are not lost
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image, *, train: bool = False):
    x, maps = EfficientNetLite(
        self.variant, self.output_stride, self.dtype, name="backbone")(
            image, train=train)
    x = _conv_bn(x, "head", _HEAD, 1, 1, train, self.dtype)
    x = x.astype(jnp.float32)
    pooled = x.max((1, 2)) if self.pooling == "max" else x.mean((1, 2))
    logits = torch_layers.Dense(self.num_classes, name="fc")(pooled)
    return logits, {**maps, "pooled": pooled}


class Block(nn.Module):
  """Pointwise expansion, depthwise convolution, pointwise projection.

  The input is added where the block changes neither size nor channels.
  """
  channels: int
  kernel: int
  stride: int
  expansion: int
  dilation: int = 1
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x, *, train: bool):
    x = y = x.astype(self.dtype)
    if self.expansion > 1:
      y = _conv_bn(y, "expand", x.shape[-1] * self.expansion, 1, 1, train,
                   self.dtype)
    y = _Depthwise(self.kernel, self.stride, self.dilation, self.dtype,
                   name="depthwise")(y)
    y = _relu6(_batch_norm("depthwise_bn", self.dtype)(y, train=train))
    y = _conv_bn(y, "project", self.channels, 1, 1, train, self.dtype,
                 activate=False)
    return x + y if x.shape == y.shape else y


class _Conv(nn.Module):
  """Convolution without bias, "SAME" padding."""
  features: int
  kernel: int
  stride: int
  dtype: Any

  @nn.compact
  def __call__(self, x):
    weight = self.param(
        "kernel", _he_fan_out, (
            self.kernel, self.kernel, x.shape[-1], self.features))
    padding = depthwise_conv.same_padding(
        x.shape[1:3], weight.shape[:2], self.stride)
    return conv.conv2d(x.astype(self.dtype), weight.astype(self.dtype),
                       stride=self.stride, padding=padding)


class _Depthwise(nn.Module):
  """Depthwise convolution without bias, "SAME" padding."""
  kernel: int
  stride: int
  dilation: int
  dtype: Any

  @nn.compact
  def __call__(self, x):
    weight = self.param(
        "kernel", nn.initializers.normal(math.sqrt(2) / self.kernel),
        (self.kernel, self.kernel, 1, x.shape[-1]))
    return depthwise_conv.depthwise_conv(
        x, weight.astype(self.dtype), stride=self.stride,
        dilation=self.dilation)


def stage_sizes(variant: int) -> list[tuple[int, int]]:
  """(blocks, channels) of a variant's seven stages."""
  width, depth = VARIANTS[variant]
  sizes = []
  for i, (blocks, _, _, _, channels) in enumerate(_STAGES):
    if i not in (0, len(_STAGES) - 1):
      blocks = math.ceil(blocks * depth)
    sizes.append((blocks, _round_channels(channels * width)))
  return sizes


def _round_channels(channels: float) -> int:
  """To a multiple of 8 that is not more than a tenth less."""
  rounded = max(8, int(channels + 4) // 8 * 8)
  return rounded + 8 if rounded < 0.9 * channels else rounded


def _conv_bn(x, name, features, kernel, stride, train, dtype, activate=True):
  x = _Conv(features, kernel, stride, dtype, name=name)(x)
  x = _batch_norm(f"{name}_bn", dtype)(x, train=train)
  return _relu6(x) if activate else x


def _batch_norm(name, dtype):
  return torch_layers.BatchNorm(
      momentum=_MOMENTUM, epsilon=_EPSILON, dtype=dtype, name=name)


def _relu6(x):
  return jnp.clip(x, 0, 6)

"""ResNet-18/34/50/101 (He et al. 2016), plain or dilated.

Plain it is torchvision's. Dilated stages keep the map's size for dense
prediction (Chen et al. 2017, DeepLab). The options reproduce the variants that
segmentation networks inherited from Caffe.
"""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax.models import torch_layers
from semseg_jax.ops import pooling

# Depth -> blocks per stage; bottlenecks from 50 layers on.
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3),
          101: (3, 4, 23, 3)}
# Output stride -> (stride, dilation) per stage.
_STAGES = {32: ((1, 1), (2, 1), (2, 1), (2, 1)),
           16: ((1, 1), (2, 1), (2, 1), (1, 2)),
           8: ((1, 1), (2, 1), (1, 2), (1, 4))}
_EXPANSION = 4  # A bottleneck's output is this times as wide as its middle.

# torchvision's initializer of ResNets.
he_fan_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class _Block(nn.Module):
  """What both kinds of block have in common."""
  width: int  # channels inside
  stride: int = 1  # of the block; also of its projection
  dilation: int = 1  # of its 3x3 convolutions
  # Bottlenecks have the stride in their first 1x1 convolution (Caffe), not in
  # the 3x3 one.
  stride_first: bool = False
  frozen_affine: bool = False  # see `torch_layers.BatchNorm`
  # Initializer of the convolutions; None for PyTorch's default.
  kernel_init: Any = None
  dtype: Any = jnp.float32

  def _conv_bn(self, x, name, features, kernel, *, train, stride=1):
    dilation = self.dilation if kernel > 1 else 1
    x = torch_layers.Conv(
        features, kernel, stride=stride, padding=dilation * (kernel // 2),
        use_bias=False, dilation=dilation, kernel_init=self.kernel_init,
        dtype=self.dtype, name=name)(x)
    return torch_layers.BatchNorm(
        frozen_affine=self.frozen_affine, dtype=self.dtype,
        name=f"{name}_bn")(x, train=train)

  def _add_shortcut(self, y, x, train):
    if self.stride != 1 or x.shape[-1] != y.shape[-1]:
      x = self._conv_bn(
          x, "shortcut", y.shape[-1], 1, train=train, stride=self.stride)
    return jax.nn.relu(y + x.astype(self.dtype))


class BasicBlock(_Block):
  """Two 3x3 convolutions, the first with the stride, plus a shortcut."""

  @nn.compact
  def __call__(self, x, *, train: bool):
    y = jax.nn.relu(self._conv_bn(
        x, "conv1", self.width, 3, train=train, stride=self.stride))
    y = self._conv_bn(y, "conv2", self.width, 3, train=train)
    return self._add_shortcut(y, x, train)


class Bottleneck(_Block):
  """1x1, 3x3, 1x1 to four times the width, plus a shortcut."""

  @nn.compact
  def __call__(self, x, *, train: bool):
    first, second = self.stride, 1
    if not self.stride_first:
      first, second = second, first
    y = jax.nn.relu(self._conv_bn(
        x, "conv1", self.width, 1, train=train, stride=first))
    y = jax.nn.relu(self._conv_bn(
        y, "conv2", self.width, 3, train=train, stride=second))
    y = self._conv_bn(y, "conv3", self.width * _EXPANSION, 1, train=train)
    return self._add_shortcut(y, x, train)


class ResNet(nn.Module):
  """Image [N, H, W, C] -> (last map, maps by name).

  Maps by name: "maxpool" and "layer1" to "layer4" in the compute dtype, of
  1/4 of the image's size (rounded up) and less, down to 1 / output_stride.
  """
  depth: int = 101  # 18, 34, 50 or 101
  # Channels after the first convolution; stage i has 2**i times as many inside
  # its blocks.
  width: int = 64
  # Blocks per stage; None for the depth's.
  blocks: tuple[int, int, int, int] | None = None
  output_stride: int = 32  # 32, or 16 or 8 by dilating the last stages
  stride_first: bool = False  # see `_Block`
  ceil_pool: bool = False  # the max pool keeps incomplete windows
  frozen_affine: bool = False  # batch norm's scale and bias get no gradient
  kernel_init: Any = he_fan_out  # initializer of the convolutions
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image, *, train: bool = False):
    """`train` normalizes with batch statistics and updates the running ones."""
    if self.depth not in BLOCKS:
      raise ValueError(
          f"ResNet depth {self.depth}: choose one of {list(BLOCKS)}")
    if self.output_stride not in _STAGES:
      raise ValueError(
          f"output stride {self.output_stride}: choose one of {list(_STAGES)}")
    common = dict(frozen_affine=self.frozen_affine, dtype=self.dtype)
    x = torch_layers.Conv(
        self.width, 7, stride=2, padding=3, use_bias=False,
        kernel_init=self.kernel_init, dtype=self.dtype, name="stem")(image)
    x = torch_layers.BatchNorm(**common, name="stem_bn")(x, train=train)
    x = pooling.max_pool(jax.nn.relu(x), 3, 2, 1, ceil=self.ceil_pool)
    maps = {"maxpool": x}
    block = Bottleneck if self.depth >= 50 else BasicBlock
    counts = self.blocks or BLOCKS[self.depth]
    plan = zip(counts, _STAGES[self.output_stride], strict=True)
    for stage, (count, (stride, dilation)) in enumerate(plan, start=1):
      for i in range(count):
        x = block(
            self.width * 2 ** (stage - 1), stride=1 if i else stride,
            dilation=dilation, stride_first=self.stride_first,
            kernel_init=self.kernel_init, **common,
            name=f"layer{stage}_{i}")(x, train=train)
      maps[f"layer{stage}"] = x
    return x, maps


class Classifier(nn.Module):
  """Image [N, H, W, C] -> (logits [N, num_classes] float32, maps by name).

  A `ResNet`, by default a plain one, the mean over the map, a linear layer.

  Others: see `ResNet`.
  """
  num_classes: int
  depth: int = 101
  width: int = 64
  blocks: tuple[int, int, int, int] | None = None
  output_stride: int = 32
  # "mean", or "max", which a small thing does not drown in.
  pooling: str = "mean"
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image, *, train: bool = False):
    x, maps = ResNet(
        self.depth, self.width, self.blocks, self.output_stride,
        dtype=self.dtype, name="backbone")(image, train=train)
    x = x.astype(jnp.float32)
    x = x.max((1, 2)) if self.pooling == "max" else x.mean((1, 2))
    return torch_layers.Dense(self.num_classes, name="fc")(x), maps

"""DeepLab: dilated trunks under atrous spatial pyramid pooling.

DeepLabv2 (Chen et al. 2017, "DeepLab: Semantic Image Segmentation ..."), with
the variants of the network that s4GAN (Mittal et al. 2019) trained.
"""

from typing import Any

from flax import linen as nn
import flax.traverse_util
import jax.numpy as jnp

from semseg_jax.models import resnet
from semseg_jax.models import torch_layers

# s4GAN's initialiser of every DeepLabv2 convolution.
_small_normal = nn.initializers.normal(0.01)


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
    used_branches: only the first so many are summed (the release of s4GAN: 2);
      the others are parameters without effect. None: all.
    dtype: compute dtype of the trunk; the classifier is float32.
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


def parameter_groups(module, params):
  """Which learning rate each parameter of a DeepLab gets.

  Args:
    module: `DeepLabV2` or another network whose trunk is named "backbone".
    params: its collection "params".

  Returns:
    A tree like `params` of "backbone", "head" or "frozen": the last for batch
    norm under `frozen_affine` and for branches that are not used, which must
    not even decay. For `optax.multi_transform`.
  """
  unused = set()
  if getattr(module, "used_branches", None) is not None:
    unused = {f"branch{i}" for i in range(
        module.used_branches, len(module.branches))}

  def group(path, leaf):
    del leaf
    if path[0] != "backbone":
      return "frozen" if path[0] in unused else "head"
    norm = path[-2].endswith("_bn")
    return "frozen" if norm and module.frozen_affine else "backbone"

  return flax.traverse_util.path_aware_map(group, params)

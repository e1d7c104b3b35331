"""Wide ResNet-38, dilated ("A2"; Wu et al. 2016, "Wider or Deeper").

Blocks are pre-activated: batch norm and ReLU stand before convolutions, and a
projected shortcut starts behind the first of them.
"""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from semseg_jax.models import torch_layers
from semseg_jax.ops import pooling

# Per module from mod2 on: widths inside the blocks in units of the first
# convolution's, stride of the first block, dilation.
_PLAN = (
    ((2, 2), 1, 1), ((4, 4), 1, 1), ((8, 8), 2, 1), ((8, 16), 1, 2),
    ((8, 16, 32), 1, 4), ((16, 32, 64), 1, 4))
BLOCKS = (3, 3, 6, 3, 1, 1)


class WideResNet38(nn.Module):
  """Image [N, H, W, C] -> (last map, maps by name) at output stride 8.

  The last map is a residual sum, without the batch norm and ReLU that a
  classifier would have behind it. Maps by name: "mod1" to "mod7", of strides
  1, 2, 4, 8, 8, 8, 8.
  """
  # Channels after the first convolution; 64 times as many at the end.
  width: int = 64
  blocks: tuple[int, ...] = BLOCKS  # blocks of mod2 to mod7
  # Rates at which the blocks of mod6 and mod7 drop whole channels in training;
  # from the stream "dropout".
  dropout: tuple[float, float] = (0.3, 0.5)
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image, *, train: bool = False):
    x = torch_layers.Conv(
        self.width, 3, padding=1, use_bias=False, dtype=self.dtype,
        name="mod1")(image)
    maps = {"mod1": x}
    rates = (0.0,) * 4 + self.dropout
    plan = zip(self.blocks, _PLAN, rates, strict=True)
    for number, (blocks, (units, stride, dilation), rate) in enumerate(plan, 2):
      if number <= 3:
        x = pooling.max_pool(x, 3, 2, 1)
      for i in range(blocks):
        x = Block(
            tuple(self.width * unit for unit in units), 1 if i else stride,
            dilation, rate, self.dtype, name=f"mod{number}_{i + 1}")(
                x, train=train)
      maps[f"mod{number}"] = x
    return x, maps


class Block(nn.Module):
  """Two 3x3 convolutions, or 1x1, 3x3 and 1x1, pre-activated, plus a shortcut.
  """
  widths: tuple[int, ...]  # of the two or three convolutions
  stride: int  # of the first convolution and the projection
  dilation: int  # of the 3x3 convolutions
  dropout: float  # rate before the last of three convolutions
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x, *, train: bool):
    kernels = (3, 3) if len(self.widths) == 2 else (1, 3, 1)
    y = shortcut = x
    for i, (features, kernel) in enumerate(
        zip(self.widths, kernels, strict=True), start=1):
      y = torch_layers.BatchNorm(dtype=self.dtype, name=f"bn{i}")(
          y, train=train)
      y = jax.nn.relu(y)
      stride = self.stride if i == 1 else 1
      if i == 1 and (stride != 1 or x.shape[-1] != self.widths[-1]):
        shortcut = self._conv(
            y, "proj_conv", self.widths[-1], 1, stride=stride)
      if i == 3:
        y = nn.Dropout(self.dropout, broadcast_dims=(1, 2))(
            y, deterministic=not train)
      dilation = self.dilation if kernel > 1 else 1
      y = self._conv(y, f"conv{i}", features, kernel, stride, dilation)
    return y + shortcut

  def _conv(self, x, name, features, kernel, stride=1, dilation=1):
    return torch_layers.Conv(
        features, kernel, stride=stride, padding=dilation * (kernel // 2),
        use_bias=False, dilation=dilation, dtype=self.dtype, name=name)(x)

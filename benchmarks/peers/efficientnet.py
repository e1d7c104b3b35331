"""EfficientNet-Lite0 (Tan and Le 2019), entries named as in the usual port."""

import math

from torch import nn
from torch.nn import functional as F

# (blocks, kernel, stride, expansion, channels) of the stages; whether a map of
# the stage is the last of its size.
_STAGES = ((1, 3, 1, 1, 16, True), (2, 3, 2, 6, 24, True),
           (2, 5, 2, 6, 40, True), (3, 3, 2, 6, 80, False),
           (3, 5, 1, 6, 112, True), (4, 5, 2, 6, 192, False),
           (1, 3, 1, 6, 320, True))


class SameConv2d(nn.Conv2d):
  """Without bias; pads as TensorFlow's "SAME", more at the far edges."""

  def __init__(self, inputs, outputs, kernel, stride=1, groups=1):
    super().__init__(inputs, outputs, kernel, stride, bias=False,
                     groups=groups)

  def forward(self, x):
    (k, _), (s, _) = self.kernel_size, self.stride
    (top, bottom), (left, right) = (
        (p // 2, p - p // 2) for p in (max(
            0, (math.ceil(n / s) - 1) * s + k - n) for n in x.shape[2:]))
    if (top, left) != (bottom, right):
      x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    return F.conv2d(x, self.weight, None, s, (top, left), 1, self.groups)


def _norm(channels):
  return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class _Block(nn.Module):

  def __init__(self, inputs, outputs, kernel, stride, expansion):
    super().__init__()
    inner = inputs * expansion
    if expansion > 1:
      self._expand_conv, self._bn0 = SameConv2d(inputs, inner, 1), _norm(inner)
    self._depthwise_conv = SameConv2d(inner, inner, kernel, stride, inner)
    self._bn1 = _norm(inner)
    self._project_conv = SameConv2d(inner, outputs, 1)
    self._bn2 = _norm(outputs)

  def forward(self, x):
    y = x
    if hasattr(self, "_expand_conv"):
      y = F.relu6(self._bn0(self._expand_conv(y)))
    y = F.relu6(self._bn1(self._depthwise_conv(y)))
    y = self._bn2(self._project_conv(y))
    return x + y if x.shape == y.shape else y


class EfficientNetLite0(nn.Module):
  """Images [N, 3, H, W] in [-1, 1] -> maps of strides 2, 4, 8, 16 and 32."""

  def __init__(self, classes=1000):
    super().__init__()
    self._conv_stem, self._bn0 = SameConv2d(3, 32, 3, 2), _norm(32)
    self._blocks, self._ends, width = nn.ModuleList(), [], 32
    for blocks, kernel, stride, expansion, channels, last in _STAGES:
      for i in range(blocks):
        self._blocks.append(_Block(
            width, channels, kernel, 1 if i else stride, expansion))
        width = channels
      if last:
        self._ends.append(len(self._blocks) - 1)
    # Of the classifier: in the weights' files, of no use here.
    self._conv_head, self._bn1 = SameConv2d(width, 1280, 1), _norm(1280)
    self._fc = nn.Linear(1280, classes)

  def forward(self, image):
    x = F.relu6(self._bn0(self._conv_stem(image)))
    maps = []
    for i, block in enumerate(self._blocks):
      x = block(x)
      if i in self._ends:
        maps.append(x)
    return maps


def resized(x, size):
  """Bilinear, antialiased where it shrinks."""
  if tuple(x.shape[2:]) == tuple(size):
    return x
  return F.interpolate(x, size=size, mode="bilinear", antialias=True)


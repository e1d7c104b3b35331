"""Projected discriminator (Sauer et al. 2021, section 3)."""

import math

from torch import nn
from torch.nn import functional as F
from torch.nn.utils import spectral_norm

from benchmarks.peers import efficientnet

_RMS = (8.5, 7.5, 6.3, 2.7)  # Of the maps of strides 4 to 32.
_WIDTHS = (48, 48, 64, 64)
_SMALLEST = 4


class Projection(nn.Module):
  """Mixed maps of a pretrained network; nothing of it is ever trained."""

  def __init__(self, size=128):
    super().__init__()
    self.size, self.network = size, efficientnet.EfficientNetLite0().eval()
    for i, (inputs, width) in enumerate(zip(
        (24, 40, 112, 320), _WIDTHS, strict=True)):
      setattr(self, f"channels{i}", nn.Conv2d(inputs, width, 1, bias=False))
      if i < len(_WIDTHS) - 1:
        setattr(self, f"scales{i}", nn.Conv2d(
            _WIDTHS[i + 1], width, 3, padding=1, bias=False))
    self.requires_grad_(False)

  def forward(self, image):
    maps = self.network(efficientnet.resized(image, (self.size,) * 2))[1:]
    own = [getattr(self, f"channels{i}")(x / rms)
           for i, (x, rms) in enumerate(zip(maps, _RMS, strict=True))]
    mixed = own[-1:]
    for i in reversed(range(len(own) - 1)):
      coarse = getattr(self, f"scales{i}")(mixed[0])
      coarse = efficientnet.resized(coarse, own[i].shape[2:])
      mixed.insert(0, (own[i] + coarse) * math.sqrt(0.5))
    return mixed


class _Head(nn.Module):

  def __init__(self, inputs, side, width=64, num_layers=2):
    super().__init__()
    self.count = num_layers
    for i in range(num_layers):
      stride = 2 if side > _SMALLEST else 1
      setattr(self, f"conv{i}", spectral_norm(nn.Conv2d(
          width if i else inputs, width, 3, stride, 1)))
      side = -(-side // stride)
    self.score = spectral_norm(nn.Conv2d(width, 1, 1, bias=False))

  def forward(self, x):
    for i in range(self.count):
      x = F.leaky_relu(getattr(self, f"conv{i}")(x), 0.2)
    return self.score(x)


class Discriminator(nn.Module):
  """Mixed maps -> a map of scores for each scale, fine to coarse."""

  def __init__(self, size=128):
    super().__init__()
    self.heads = nn.ModuleList(
        _Head(width, size // 2 ** (2 + i)) for i, width in enumerate(_WIDTHS))

  def forward(self, maps):
    return [head(x) for head, x in zip(self.heads, maps, strict=True)]

"""RepurposeGAN: a dilated CNN on a generator's hypercolumn."""

import torch
from torch import nn
from torch.nn import functional as F

_DILATIONS = (1, 2, 4, 8, 1, 2, 4, 8, 1)
_WIDTHS = (128, *(64,) * 6, 32)


def resize(x, size: int):
  """Smaller maps bilinearly with aligned corners, others by averages."""
  if x.shape[2] < size:
    return F.interpolate(x, size, mode="bilinear", align_corners=True)
  return x if x.shape[2] == size else F.interpolate(x, size, mode="area")


def stack(maps, size: int):
  """All maps at one size, concatenated."""
  return torch.cat([resize(x, size) for x in maps], 1)


class FewShot(nn.Module):
  """The authors' network: maps -> logits [N, classes, size, size].

  In the form "best" the first layer, of 1x1, acts on every map before it is
  resized: the hypercolumn is never formed.
  """

  def __init__(self, channels, classes, *, size, form="original"):
    super().__init__()
    self.size, self.form = size, form
    widths = (channels, *_WIDTHS, classes)
    for i, dilation in enumerate(_DILATIONS):
      k = 3 if i else 1
      setattr(self, f"conv{i + 1}", nn.Conv2d(
          widths[i], widths[i + 1], k, padding=dilation if i else 0,
          dilation=dilation))

  def forward(self, maps):
    if self.form == "best":
      weights = self.conv1.weight.split([m.shape[1] for m in maps], 1)
      x = sum(resize(F.conv2d(m, w), self.size) if m.shape[2] < self.size
              else F.conv2d(resize(m, self.size), w)
              for m, w in zip(maps, weights, strict=True))
      x = x + self.conv1.bias.to(x.dtype)[:, None, None]
    else:
      x = self.conv1(stack(maps, self.size))
    for i in range(1, len(_DILATIONS)):
      x = getattr(self, f"conv{i + 1}")(F.leaky_relu(x, 0.01))
    return x

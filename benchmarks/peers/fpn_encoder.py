"""SemanticGAN's encoder: ResNet-50, feature pyramid, a head per latent."""

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.peers import layers


class Bottleneck(nn.Module):
  """1x1, 3x3 with the stride, 1x1 and a shortcut."""

  def __init__(self, inputs, width, stride):
    super().__init__()
    self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
    self.bn1 = nn.BatchNorm2d(width)
    self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
    self.bn2 = nn.BatchNorm2d(width)
    self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
    self.bn3 = nn.BatchNorm2d(4 * width)
    self.shortcut = nn.Sequential()
    if stride != 1 or inputs != 4 * width:
      self.shortcut = nn.Sequential(
          nn.Conv2d(inputs, 4 * width, 1, stride, bias=False),
          nn.BatchNorm2d(4 * width))

  def forward(self, x):
    y = F.relu(self.bn1(self.conv1(x)))
    y = F.relu(self.bn2(self.conv2(y)))
    return F.relu(self.bn3(self.conv3(y)) + self.shortcut(x))


class Pyramid(nn.Module):
  """Images -> maps (P4, P3, P2)."""

  def __init__(self, image_channels, width, blocks, channels):
    super().__init__()
    self.conv1 = nn.Conv2d(image_channels, width, 7, 2, 3, bias=False)
    self.bn1 = nn.BatchNorm2d(width)
    inputs = width
    for i, count in enumerate(blocks):
      stage = []
      for j in range(count):
        stage.append(Bottleneck(
            inputs, width * 2 ** i, 2 if i and not j else 1))
        inputs = 4 * width * 2 ** i
      setattr(self, f"layer{i + 1}", nn.Sequential(*stage))
    self.toplayer = nn.Conv2d(inputs, channels, 1)
    for i in (1, 2, 3):
      setattr(self, f"smooth{i}", nn.Conv2d(channels, channels, 3, 1, 1))
      setattr(self, f"latlayer{i}", nn.Conv2d(
          4 * width * 2 ** (3 - i), channels, 1))

  def forward(self, image):
    x = F.max_pool2d(F.relu(self.bn1(self.conv1(image))), 3, 2, 1)
    c2 = self.layer1(x)
    c3 = self.layer2(c2)
    c4 = self.layer3(c3)
    p5 = self.toplayer(self.layer4(c4))
    p4 = _add(p5, self.latlayer1(c4))
    p3 = _add(p4, self.latlayer2(c3))
    p2 = _add(p3, self.latlayer3(c2))
    return self.smooth1(p4), self.smooth2(p3), self.smooth3(p2)


class Head(nn.Module):
  """Strided convolutions to one cell, then an equalized linear layer."""

  def __init__(self, inputs, channels, convs, style_dim):
    super().__init__()
    convolutions = []
    for _ in range(convs):
      convolutions += [nn.Conv2d(inputs, channels, 3, 2, 1), nn.LeakyReLU(0.01)]
      inputs = channels
    self.convs = nn.Sequential(*convolutions)
    self.linear = layers.EqualLinear(channels, style_dim)

  def forward(self, x):
    return self.linear(self.convs(x).flatten(1))


class FPNEncoder(nn.Module):
  """Images [N, C, H, W] -> latents [N, num_ws, style_dim].

  `head_convs`: strided convolutions of the heads on P4, P3 and P2.
  """

  def __init__(self, num_ws, *, image_channels=3, style_dim=512, width=64,
               blocks=(3, 4, 6, 3), channels=512, head_channels=512,
               head_convs=(4, 5, 6)):
    super().__init__()
    self.FPN_module = Pyramid(image_channels, width, blocks, channels)
    heads = lambda n, convs: nn.ModuleList(
        Head(channels, head_channels, convs, style_dim) for _ in range(n))
    coarse, medium, fine = head_convs
    self.course_styles = heads(3, coarse)  # The original's spelling.
    self.medium_styles = heads(4, medium)
    self.fine_styles = heads(num_ws - 7, fine)

  def forward(self, image):
    p4, p3, p2 = self.FPN_module(image)
    latents = [head(x) for x, heads in (
        (p4, self.course_styles), (p3, self.medium_styles),
        (p2, self.fine_styles)) for head in heads]
    return torch.stack(latents, 1).float()


def _add(x, y):
  return F.interpolate(
      x, y.shape[2:], mode="bilinear", align_corners=False) + y

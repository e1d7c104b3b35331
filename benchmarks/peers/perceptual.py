"""Perceptual distances of images in [-1, 1]: LPIPS on VGG-16, Dr's features.

Both have `features(image)` and `distance(features, features) -> [N]`.
"""

import torch
from torch import nn

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
WIDTHS = (64, 64, 128, 128, 256, 256, 256) + (512,) * 6
_STAGES = (2, 2, 3, 3, 3)


class LPIPS(nn.Module):
  """Zhang et al. 2018, version 0.1 with linear calibration."""

  def __init__(self, widths=WIDTHS):
    super().__init__()
    layers, taps, inputs = [], [], 3
    widths = iter(widths)
    for stage, count in enumerate(_STAGES):
      if stage:
        layers.append(nn.MaxPool2d(2))
      for _ in range(count):
        width = next(widths)
        layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
        inputs = width
      taps.append((len(layers) - 1, width))
    self.features_ = nn.Sequential(*layers)
    self.taps = dict(taps)
    for i, (_, width) in enumerate(taps):
      lin = nn.Module()
      lin.model = nn.Sequential(
          nn.Dropout(), nn.Conv2d(width, 1, 1, bias=False))
      nn.init.constant_(lin.model[1].weight, 1 / width)
      setattr(self, f"lin{i}", lin)
    self.register_buffer(
        "shift", torch.tensor(SHIFT)[:, None, None], persistent=False)
    self.register_buffer(
        "scale", torch.tensor(SCALE)[:, None, None], persistent=False)
    self.requires_grad_(False)
    self.eval()

  def load(self, state_dict):
    """Takes the entries of torchvision's VGG-16 and of the linear layers."""
    self.load_state_dict({
        k.replace("features.", "features_.", 1): v
        for k, v in state_dict.items()})
    return self

  def entries(self):
    """The state dict under torchvision's names."""
    return {k.replace("features_.", "features.", 1): v
            for k, v in self.state_dict().items()}

  def features(self, image):
    """Taps of unit length over channels."""
    x = (image.expand(-1, 3, -1, -1) - self.shift) / self.scale
    taps = []
    for i, layer in enumerate(self.features_):
      x = layer(x)
      if i in self.taps:
        y = x.float()
        norm = y.square().sum(1, keepdim=True).sqrt()
        taps.append(y / (norm + 1e-10))
    return taps

  def layer_distances(self, a, b):
    """Each tap's contribution to the distance, [N, 5]."""
    return torch.stack([
        getattr(self, f"lin{i}").model[1]((x - y).square()).mean((1, 2, 3))
        for i, (x, y) in enumerate(zip(a, b, strict=True))], 1).float()

  def distance(self, a, b):
    return self.layer_distances(a, b).sum(1)


class DiscriminatorFeatures(nn.Module):
  """The distance in the block features of an image discriminator."""

  def __init__(self, discriminator):
    super().__init__()
    self.discriminator = discriminator.requires_grad_(False)

  def features(self, image):
    values = [x.float() for x in self.discriminator.features(image)]
    return [x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt() for x in values]

  def distance(self, a, b):
    return sum((x - y).square().sum(1).mean((1, 2))
               for x, y in zip(a, b, strict=True)) / len(a)

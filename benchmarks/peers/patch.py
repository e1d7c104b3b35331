"""Patch discriminator of images with labels at several scales (pix2pixHD)."""

from torch import nn
from torch.nn import functional as F
from torch.nn.utils import spectral_norm


class PatchDiscriminator(nn.Module):
  """Pairs [N, C, H, W] -> maps of every layer, by scale, full scale first."""

  def __init__(self, channels, *, width=64, num_layers=3, num_scales=3):
    super().__init__()
    self.num_layers, self.num_scales = num_layers, num_scales
    for scale in range(num_scales):
      for j, layer in enumerate(self._layers(channels, width)):
        setattr(self, f"scale{scale}_layer{j}", layer)

  def _layers(self, channels, width):
    leaky = lambda: nn.LeakyReLU(0.2)
    conv = lambda a, b, stride, bias: nn.Conv2d(
        a, b, 4, stride=stride, padding=2, bias=bias)
    layers = [nn.Sequential(conv(channels, width, 2, True), leaky())]
    for i in range(self.num_layers):
      inputs, width = width, min(2 * width, 512)
      stride = 2 if i < self.num_layers - 1 else 1
      layers.append(nn.Sequential(nn.Sequential(
          spectral_norm(conv(inputs, width, stride, False)),
          nn.InstanceNorm2d(width)), leaky()))
    return [*layers, nn.Sequential(conv(width, 1, 1, True))]

  def forward(self, pair):
    scales = []
    x = pair
    for scale in reversed(range(self.num_scales)):
      maps, y = [], x
      for j in range(self.num_layers + 2):
        y = getattr(self, f"scale{scale}_layer{j}")(y)
        maps.append(y)
      scales.append(maps)
      x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    return scales

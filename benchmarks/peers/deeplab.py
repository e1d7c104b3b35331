"""DeepLabv2 on ResNet-101 as s4GAN trains it (Mittal et al. 2019)."""

from torch import nn
from torch.nn import functional as F

# (width, dilation, stride) of the stages.
_STAGES = ((1, 1, 1), (2, 1, 2), (4, 2, 1), (8, 4, 1))
_DILATIONS = (6, 12, 18, 24)


class Bottleneck(nn.Module):
  """1x1 with the stride, dilated 3x3, 1x1, and a shortcut."""

  def __init__(self, inputs, width, stride, dilation, project):
    super().__init__()
    self.conv1 = nn.Conv2d(inputs, width, 1, stride, bias=False)
    self.bn1 = nn.BatchNorm2d(width)
    self.conv2 = nn.Conv2d(
        width, width, 3, padding=dilation, dilation=dilation, bias=False)
    self.bn2 = nn.BatchNorm2d(width)
    self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
    self.bn3 = nn.BatchNorm2d(4 * width)
    self.downsample = nn.Sequential(
        nn.Conv2d(inputs, 4 * width, 1, stride, bias=False),
        nn.BatchNorm2d(4 * width)) if project else None

  def forward(self, x):
    y = F.relu(self.bn1(self.conv1(x)))
    y = F.relu(self.bn2(self.conv2(y)))
    y = self.bn3(self.conv3(y))
    return F.relu(y + (self.downsample(x) if self.downsample else x))


class Classifier(nn.Module):
  """Sum of dilated convolutions; the official code forgets all but two."""

  def __init__(self, inputs, classes, used):
    super().__init__()
    self.conv2d_list = nn.ModuleList(
        nn.Conv2d(inputs, classes, 3, padding=d, dilation=d)
        for d in _DILATIONS)
    self.used = used

  def forward(self, x):
    return sum(conv(x) for conv in self.conv2d_list[:self.used])


class DeepLabV2(nn.Module):
  """Images [N, 3, H, W] -> logits at 1/8 of the size.

  Scale and shift of batch normalization are frozen, its statistics are not.
  """

  def __init__(self, classes, *, width=64, blocks=(3, 4, 23, 3), used=2):
    super().__init__()
    self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
    self.bn1 = nn.BatchNorm2d(width)
    inputs = width
    for i, (count, (times, dilation, stride)) in enumerate(
        zip(blocks, _STAGES, strict=True)):
      stage = []
      for j in range(count):
        stage.append(Bottleneck(
            inputs, times * width, 1 if j else stride, dilation, not j))
        inputs = 4 * times * width
      setattr(self, f"layer{i + 1}", nn.Sequential(*stage))
    self.layer5 = Classifier(inputs, classes, used)
    for m in self.modules():
      if isinstance(m, nn.Conv2d):
        nn.init.normal_(m.weight, std=0.01)
      if isinstance(m, nn.BatchNorm2d):
        m.requires_grad_(False)

  def forward(self, image):
    x = F.relu(self.bn1(self.conv1(image)))
    x = F.max_pool2d(x, 3, 2, 1, ceil_mode=True)
    for i in (1, 2, 3, 4):
      x = getattr(self, f"layer{i}")(x)
    return self.layer5(x)


def enlarge(logits, size):
  """Bilinear with aligned corners."""
  return F.interpolate(
      logits.float(), size, mode="bilinear", align_corners=True)

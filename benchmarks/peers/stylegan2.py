"""StyleGAN2's networks and SemanticGAN's label branch (Li et al. 2021)."""

import math

import torch
from torch import nn

from benchmarks.peers import layers


def widths(size, multiplier=2.0, largest=512) -> dict[int, int]:
  """Channels by resolution."""
  return {2 ** i: min(largest, 512 if i <= 5 else int(multiplier * 2**(14 - i)))
          for i in range(2, int(math.log2(size)) + 1)}


class Normalize(nn.Module):
  """Vectors divided by their root mean square."""

  def forward(self, z):
    return z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)


class Constant(nn.Module):
  """The learned 4x4 input."""

  def __init__(self, channels):
    super().__init__()
    self.input = nn.Parameter(torch.randn(1, channels, 4, 4))

  def forward(self, n):
    return self.input.expand(n, -1, -1, -1)


class Noise(nn.Module):
  """Adds a map, the same for all channels, at a learned strength."""

  def __init__(self):
    super().__init__()
    self.weight = nn.Parameter(torch.zeros(1))

  def forward(self, x, noise):
    return x + (self.weight * noise).to(x.dtype)


class StyledConv(nn.Module):
  """Modulated 3x3 convolution, noise, bias, activation."""

  def __init__(self, inputs, outputs, style_dim, *, up=False, form="original"):
    super().__init__()
    self.conv = layers.ModulatedConv2d(
        inputs, outputs, 3, style_dim, up=up, form=form)
    self.noise = Noise()
    self.activate = layers.Activation(outputs)

  def forward(self, x, latent, noise):
    return self.activate(self.noise(self.conv(x, latent), noise))


class Head(nn.Module):
  """One resolution of a skip branch."""

  def __init__(self, inputs, outputs, style_dim, *, first, form="original"):
    super().__init__()
    if not first:
      self.upsample = layers.Upsample(form)
    self.conv = layers.ModulatedConv2d(
        inputs, outputs, 1, style_dim, demodulate=False, form=form)
    self.bias = nn.Parameter(torch.zeros(1, outputs, 1, 1))

  def forward(self, x, latent, skip=None):
    y = self.conv(x, latent).float() + self.bias
    return y if skip is None else y + self.upsample(skip)


class Generator(nn.Module):
  """Mapping, synthesis, image branch and, with `label_channels`, labels."""

  def __init__(self, size, *, style_dim=512, mlp_layers=8, image_channels=3,
               label_channels=0, channels=None, form="original"):
    super().__init__()
    self.channels = channels or widths(size)
    self.style = nn.Sequential(Normalize(), *(
        layers.EqualLinear(style_dim, style_dim, rate=0.01, activate=True)
        for _ in range(mlp_layers)))
    first, *rest = [r for r in sorted(self.channels) if r <= size]
    width = self.channels[first]
    self.input = Constant(width)
    self.conv1 = StyledConv(width, width, style_dim, form=form)
    head = lambda width, outputs, first=False: Head(
        width, outputs, style_dim, first=first, form=form)
    self.to_rgb1 = head(width, image_channels, True)
    self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
    if label_channels:
      self.to_seg1, self.to_segs = head(
          width, label_channels, True), nn.ModuleList()
    self.label_channels = label_channels
    self.noise_shapes = [(first, first)]
    for r in rest:
      out = self.channels[r]
      self.convs.append(StyledConv(width, out, style_dim, up=True, form=form))
      self.convs.append(StyledConv(out, out, style_dim, form=form))
      self.to_rgbs.append(head(out, image_channels))
      if label_channels:
        self.to_segs.append(head(out, label_channels))
      self.noise_shapes += [(r, r)] * 2
      width = out
    self.num_ws = 2 + 2 * len(rest)
    self.noises = nn.Module()
    for i, shape in enumerate(self.noise_shapes):
      self.noises.register_buffer(f"noise_{i}", torch.randn(1, 1, *shape))

  def buffers_of_noise(self):
    return [getattr(self.noises, f"noise_{i}")
            for i in range(len(self.noise_shapes))]

  def features(self, latents, noise=None):
    """(image, logits or None, maps of the styled convolutions)."""
    noise = self.buffers_of_noise() if noise is None else noise
    x = self.conv1(self.input(len(latents)), latents[:, 0], noise[0])
    maps = [x]
    image, label = self.to_rgb1(x, latents[:, 1]), None
    if self.label_channels:
      label = self.to_seg1(x, latents[:, 1])
    for j, rgb in enumerate(self.to_rgbs):
      for i in (2 * j, 2 * j + 1):
        x = self.convs[i](x, latents[:, i + 1], noise[i + 1])
        maps.append(x)
      image = rgb(x, latents[:, 2 * j + 3], image)
      if self.label_channels:
        label = self.to_segs[j](x, latents[:, 2 * j + 3], label)
    return image, label, maps

  def forward(self, latents, noise=None):
    return self.features(latents, noise)[:2]


def mix(w1, w2, index: int, num_ws: int):
  """Latents [N, L, D]: those before `index` are w1, the others w2."""
  return torch.cat([
      w1[:, None].expand(-1, index, -1),
      w2[:, None].expand(-1, num_ws - index, -1)], 1)


class Discriminator(nn.Module):
  """StyleGAN2's residual discriminator; with `num_ws` the encoder."""

  def __init__(self, size, *, image_channels=3, channels=None, num_ws=0,
               style_dim=512, form="original"):
    super().__init__()
    channels = channels or widths(size)
    width = channels[size]
    blocks = [nn.Sequential(layers.EqualConv2d(image_channels, width, 1),
                            layers.Activation(width))]
    while size > 4:
      size //= 2
      blocks.append(ResBlock(width, channels[size], form))
      width = channels[size]
    self.convs = nn.Sequential(*blocks)
    self.final_conv = nn.Sequential(
        layers.EqualConv2d(width + 1, channels[4], 3, padding=1),
        layers.Activation(channels[4]))
    flat = channels[4] * 16
    self.num_ws = num_ws
    if num_ws:
      self.final_linear = layers.EqualLinear(flat, num_ws * style_dim)
    else:
      self.final_linear = nn.Sequential(
          layers.EqualLinear(flat, channels[4], activate=True),
          layers.EqualLinear(channels[4], 1))

  def features(self, image):
    """Maps of all blocks, the first convolution's first."""
    maps = []
    x = image
    for block in self.convs:
      x = block(x)
      maps.append(x)
    return maps

  def forward(self, image):
    x = standard_deviation(self.features(image)[-1].float())
    x = self.final_linear(self.final_conv(x).flatten(1))
    return x.reshape(len(x), self.num_ws, -1) if self.num_ws else x


def standard_deviation(x):
  """Appends the standard deviation over groups of samples as a channel."""
  n, c, h, w = x.shape
  group = min(n, 4)
  y = x.reshape(group, n // group, c, h, w)
  y = torch.sqrt(y.var(0, unbiased=False) + 1e-8).mean((1, 2, 3))
  y = y.repeat(group)[:, None, None, None].expand(n, 1, h, w)
  return torch.cat([x, y], 1)


class ResBlock(nn.Module):
  """Two convolutions and a skip, halving the map."""

  def __init__(self, inputs, outputs, form="original"):
    super().__init__()
    self.form = form
    self.conv1 = nn.Sequential(
        layers.EqualConv2d(inputs, inputs, 3, padding=1),
        layers.Activation(inputs))
    self.conv2 = nn.Sequential(
        layers.Blur((2, 2), form=form),
        layers.EqualConv2d(inputs, outputs, 3, stride=2),
        layers.Activation(outputs))
    self.skip = nn.Sequential(
        layers.Blur((1, 1), form=form),
        layers.EqualConv2d(inputs, outputs, 1, stride=2))

  def forward(self, x):
    y = self.conv2(self.conv1(x))
    if self.form == "best":  # Only the samples that the 1x1 one looks at.
      blur, conv = self.skip
      skip = layers.depthwise(x, blur.kernel, stride=2, pad=blur.pad)
      skip = nn.functional.conv2d(skip, conv.weight * conv.scale)
    else:
      skip = self.skip(x)
    return (y + skip) / math.sqrt(2)

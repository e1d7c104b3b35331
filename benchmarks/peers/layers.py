"""StyleGAN2's layers (Karras et al. 2020), NCHW, in both forms."""

import math

import torch
from torch import nn
from torch.nn import functional as F

FORMS = ("original", "best")


def taps(gain: float = 1.0) -> torch.Tensor:
  """The 4x4 filter [1, 3, 3, 1] outer itself, of sum `gain`."""
  line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
  return torch.outer(line, line) * gain


def upfirdn2d(x, kernel, up=1, down=1, pad=(0, 0)):
  """Zeros after every sample, padding, filter, every `down`-th sample."""
  n, c, h, w = x.shape
  x = x.reshape(n * c, 1, h, 1, w, 1)
  x = F.pad(x, (0, up - 1, 0, 0, 0, up - 1))
  x = x.reshape(n * c, 1, h * up, w * up)
  x = F.pad(x, (*pad, *pad))
  x = F.conv2d(x, kernel.flip(0, 1)[None, None].to(x.dtype))
  x = x[:, :, ::down, ::down]
  return x.reshape(n, c, *x.shape[2:])


def depthwise(x, kernel, stride=1, pad=(0, 0)):
  """`upfirdn2d` without up-sampling, as one depthwise convolution."""
  c = x.shape[1]
  weight = kernel.flip(0, 1)[None, None].to(x.dtype).expand(c, 1, -1, -1)
  if pad[0] != pad[1]:
    x, pad = F.pad(x, (*pad, *pad)), (0, 0)
  return F.conv2d(x, weight, stride=stride, padding=pad[0], groups=c)


def double(x):
  """Doubles a map by the filter [1, 3, 3, 1] of gain 4, zeros around it.

  Away from the border this filter is bilinear interpolation.
  """
  x = F.interpolate(
      F.pad(x, (1, 1, 1, 1)), scale_factor=2, mode="bilinear",
      align_corners=False)
  return x[:, :, 2:-2, 2:-2]


def scaled_leaky_relu(x):
  return F.leaky_relu(x, 0.2) * math.sqrt(2)


class EqualLinear(nn.Module):
  """Linear layer with run-time scaling of weight and bias."""

  def __init__(self, inputs, outputs, *, rate=1.0, bias=0.0, activate=False):
    super().__init__()
    self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
    self.bias = nn.Parameter(torch.full((outputs,), float(bias)))
    self.rate, self.activate = rate, activate
    self.scale = rate / math.sqrt(inputs)

  def forward(self, x):
    x = F.linear(x, self.weight * self.scale, self.bias * self.rate)
    return scaled_leaky_relu(x) if self.activate else x


class EqualConv2d(nn.Module):
  """Convolution without bias, its weight scaled by 1 / sqrt(fan-in)."""

  def __init__(self, inputs, outputs, kernel, *, stride=1, padding=0):
    super().__init__()
    self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
    self.scale = 1 / math.sqrt(inputs * kernel ** 2)
    self.stride, self.padding = stride, padding

  def forward(self, x):
    return F.conv2d(
        x, self.weight * self.scale, stride=self.stride, padding=self.padding)


class Activation(nn.Module):
  """Bias, leaky ReLU 0.2, sqrt 2."""

  def __init__(self, channels):
    super().__init__()
    self.bias = nn.Parameter(torch.zeros(channels))

  def forward(self, x):
    return scaled_leaky_relu(x + self.bias.to(x.dtype)[:, None, None])


class Blur(nn.Module):
  """The filter on every channel."""

  def __init__(self, pad, gain=1.0, form="original"):
    super().__init__()
    self.register_buffer("kernel", taps(gain))
    self.pad, self.form = pad, form

  def forward(self, x):
    if self.form == "best":
      return depthwise(x, self.kernel, pad=self.pad)
    return upfirdn2d(x, self.kernel, pad=self.pad)


class Upsample(nn.Module):
  """Doubles the running image of a skip branch."""

  def __init__(self, form="original"):
    super().__init__()
    self.register_buffer("kernel", taps(4.0))
    self.form = form

  def forward(self, x):
    if self.form == "best":
      return double(x)
    return upfirdn2d(x, self.kernel, up=2, pad=(2, 1))


class ModulatedConv2d(nn.Module):
  """Convolution with input channels scaled by each sample's style."""

  def __init__(self, inputs, outputs, kernel, style_dim, *, demodulate=True,
               up=False, down=False, form="original"):
    super().__init__()
    self.weight = nn.Parameter(
        torch.randn(1, outputs, inputs, kernel, kernel))
    self.modulation = EqualLinear(style_dim, inputs, bias=1.0)
    self.scale = 1 / math.sqrt(inputs * kernel ** 2)
    self.demodulate, self.up, self.down = demodulate, up, down
    self.form = form
    if up:
      self.blur = Blur((1, 1), 4.0, form)
    if down:
      self.blur = Blur((2, 2), 1.0, form)

  def forward(self, x, latent):
    style = self.modulation(latent)
    if self.form == "original":
      return self._grouped(x, style)
    return self._scaled(x, style)

  def _grouped(self, x, style):
    """A kernel for each sample, all in one grouped convolution."""
    n, c, h, w = x.shape
    _, outputs, _, k, _ = self.weight.shape
    weight = self.scale * self.weight * style[:, None, :, None, None]
    if self.demodulate:
      norm = torch.rsqrt(weight.square().sum((2, 3, 4)) + 1e-8)
      weight = weight * norm[:, :, None, None, None]
    if self.down:
      x = self.blur(x)
      h, w = x.shape[2:]
    x = x.reshape(1, n * c, h, w)
    if self.up:
      weight = weight.transpose(1, 2).reshape(n * c, outputs, k, k)
      x = F.conv_transpose2d(x, weight, stride=2, groups=n)
      return self.blur(x.reshape(n, outputs, *x.shape[2:]))
    weight = weight.reshape(n * outputs, c, k, k)
    if self.down:
      x = F.conv2d(x, weight, stride=2, groups=n)
    else:
      x = F.conv2d(x, weight, padding=k // 2, groups=n)
    return x.reshape(n, outputs, *x.shape[2:])

  def _scaled(self, x, style):
    """One convolution for all samples between two scalings."""
    weight = self.weight[0] * self.scale
    k = weight.shape[-1]
    x = x * style[:, :, None, None].to(x.dtype)
    if self.up:
      y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    elif self.down:
      y = F.conv2d(self.blur(x), weight, stride=2)
    else:
      y = F.conv2d(x, weight, padding=k // 2)
    if self.demodulate:
      power = style.square() @ weight.square().sum((2, 3)).t()
      norm = torch.rsqrt(power + 1e-8)
      y = y * norm[:, :, None, None].to(y.dtype)
    return self.blur(y) if self.up else y

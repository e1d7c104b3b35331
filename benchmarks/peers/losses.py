"""Losses of SemanticGAN's stages and regularizers of StyleGAN2."""

import math

import torch
from torch.nn import functional as F


def logistic_discriminator(real, fake):
  return F.softplus(-real).mean() + F.softplus(fake).mean()


def over_scales(maps, loss):
  """Mean over scales of the loss of their last maps."""
  return sum(loss(scale[-1].float()).mean() for scale in maps) / len(maps)


def hinge_discriminator(fake, real):
  return 0.5 * (over_scales(fake, lambda x: F.relu(1 + x))
                + over_scales(real, lambda x: F.relu(1 - x)))


def feature_matching(fake, real, weight):
  """L1 of all maps but the last; the real ones carry no gradient."""
  total = sum(
      (f.float() - r.detach().float()).abs().mean()
      for fs, rs in zip(fake, real, strict=True)
      for f, r in zip(fs[:-1], rs[:-1], strict=True))
  return total * (weight / len(fake))


def r1_penalty(score, x):
  """Mean over samples of the squared gradient of a scalar `score` by x."""
  gradient, = torch.autograd.grad(score, x, create_graph=True)
  return gradient.float().square().sum() / len(x)


def path_length(image, latents, noise, mean, decay=0.01):
  """(penalty, new running mean, lengths [N])."""
  noise = noise / math.sqrt(image.shape[2] * image.shape[3])
  gradient, = torch.autograd.grad(
      (image * noise).sum(), latents, create_graph=True)
  lengths = gradient.float().square().sum(2).mean(1).sqrt()
  mean = mean + decay * (lengths.mean() - mean)
  return (lengths - mean).square().mean(), mean.detach(), lengths


def dice(logits, target, *, background: bool):
  """Dice of sigmoid(logits / 0.3) against maps in {0, 1}."""
  probability = torch.sigmoid(logits / 0.3)
  if not background:
    probability, target = probability[:, 1:], target[:, 1:]
  axes = (0, 2, 3)
  both = (probability * target).sum(axes)
  size = (probability.square() + target.square()).sum(axes)
  return (1 - 2 * both / size.clamp(min=1e-6)).mean()


def label_losses(logits, label):
  """(cross entropy, Dice) of the encoder's labeled step.

  label: class indices [N, H, W]; one channel of logits is binary.
  """
  channels = logits.shape[1]
  if channels == 1:
    target = (label == 1).float()[:, None]
    entropy = F.binary_cross_entropy_with_logits(logits / 0.3, target)
  else:
    target = F.one_hot(label, channels).permute(0, 3, 1, 2).float()
    entropy = F.cross_entropy(logits / 0.1, label)
  return entropy, dice(logits, target, background=channels == 1)


def noise_regulariser(noise):
  """Squared autocorrelation over scales, for each image: [N]."""
  total = 0
  for x in noise:
    while True:
      total = total + sum(
          (x * x.roll(1, axis)).mean((1, 2, 3)).square() for axis in (2, 3))
      if x.shape[2] <= 8:
        break
      x = F.avg_pool2d(x, 2)
  return total


@torch.no_grad()
def normalise_noise(noise):
  """Each map changed to mean 0 and unbiased deviation 1."""
  for x in noise:
    x.sub_(x.mean((1, 2, 3), keepdim=True))
    x.div_(x.std((1, 2, 3), keepdim=True))

"""s4GAN's discriminator and iteration (Mittal et al. 2019, section 3.1)."""

import contextlib
import dataclasses

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.peers import deeplab


class Discriminator(nn.Module):
  """Class maps with images -> (logit [N], features [N, 8 * width])."""

  def __init__(self, channels, *, width=64, dropout=0.5):
    super().__init__()
    for i in range(4):
      inputs = width * 2 ** (i - 1) if i else channels
      setattr(self, f"conv{i + 1}", nn.Conv2d(
          inputs, width * 2 ** i, 4, 2, 1))
    self.fc = nn.Linear(8 * width, 1)
    self.dropout = nn.Dropout2d(dropout)

  def forward(self, pair):
    x = pair
    for i in range(4):
      x = F.leaky_relu(getattr(self, f"conv{i + 1}")(x), 0.2)
      if i < 3:
        x = self.dropout(x)
    features = x.float().mean((2, 3))
    return self.fc(features)[:, 0].float(), features


@dataclasses.dataclass
class Options:
  """The official code's settings on PASCAL VOC."""
  steps: int = 40_000
  learning_rate: float = 2.5e-4
  discriminator_learning_rate: float = 1e-4
  head_factor: float = 10.0
  feature_matching: float = 0.1
  self_training: float = 1.0
  threshold: float = 0.6
  ignore: int = 255


class Trainer:
  """Networks, optimizers and the iteration.

  Args:
    network, discriminator: on their device.
    options: see `Options`.
    head: prefix of the parameters with the larger rate.
    autocast: () -> context in which networks run.
    compiled: applied to both networks.
  """

  def __init__(self, network, discriminator, options, *, head="layer5.",
               autocast=contextlib.nullcontext, compiled=lambda f: f):
    self.network, self.discriminator = network, discriminator
    self.o, self.autocast = options, autocast
    self.segment, self.judge = compiled(network), compiled(discriminator)
    named = [(k, p) for k, p in network.named_parameters() if p.requires_grad]
    self.sgd = torch.optim.SGD(
        [{"params": [p for k, p in named if not k.startswith(head)]},
         {"params": [p for k, p in named if k.startswith(head)]}],
        lr=options.learning_rate, momentum=0.9, weight_decay=5e-4)
    self.adam = torch.optim.Adam(
        discriminator.parameters(), options.discriminator_learning_rate,
        (0.9, 0.99))
    self.step = 0

  def iteration(self, batch):
    """One iteration on "labeled" and "real" {"image", "label"}, "unlabeled".

    Returns:
      Scalars and, for comparison, scores and features by name.
    """
    o = self.o
    decay = (1 - self.step / o.steps) ** 0.9
    for group, factor in zip(
        self.sgd.param_groups, (1, o.head_factor), strict=True):
      group["lr"] = o.learning_rate * decay * factor
    self.adam.param_groups[0]["lr"] = o.discriminator_learning_rate * decay
    self.sgd.zero_grad()
    self.adam.zero_grad()
    self.discriminator.requires_grad_(False)

    logits = self._logits(batch["labeled"]["image"])
    entropy = F.cross_entropy(
        logits, batch["labeled"]["label"], ignore_index=o.ignore)
    logits = self._logits(batch["unlabeled"]["image"])
    fake = torch.cat([logits.softmax(1), _scaled(
        batch["unlabeled"]["image"])], 1)
    score, features = self._judge(fake)
    real = self._real(batch, logits.shape[1])
    real_score, real_features = self._judge(real)
    matching = (real_features.mean(0) - features.mean(0)).abs().mean()
    selected = score.sigmoid() > o.threshold
    trusted = torch.zeros((), device=score.device)
    if self.step and selected.any():
      trusted = F.cross_entropy(logits[selected], logits[selected].argmax(1))
    loss = (entropy + o.feature_matching * matching
            + o.self_training * trusted)
    loss.backward()

    self.discriminator.requires_grad_(True)
    judge_loss = lambda x, t: F.binary_cross_entropy_with_logits(
        x, torch.full_like(x, t))
    of_fake = judge_loss(self._judge(fake.detach())[0], 0.0)
    of_real = judge_loss(self._judge(real)[0], 1.0)
    d_loss = 0.5 * (of_fake + of_real)
    d_loss.backward()
    self.sgd.step()
    self.adam.step()
    self.step += 1
    return {"s/loss": loss, "s/cross_entropy": entropy,
            "s/feature_matching": matching, "s/self_training": trusted,
            "d/loss": d_loss, "d/fake_loss": of_fake, "d/real_loss": of_real,
            "score": score, "features": features, "real_score": real_score,
            "real_features": real_features}

  def _logits(self, image):
    with self.autocast():
      return deeplab.enlarge(self.segment(image), image.shape[2:])

  def _judge(self, pair):
    with self.autocast():
      return self.judge(pair)

  def _real(self, batch, classes):
    image, label = batch["real"]["image"], batch["real"]["label"]
    known = label < classes
    maps = F.one_hot(label * known, classes).permute(0, 3, 1, 2)
    return torch.cat([maps * known[:, None], _scaled(image)], 1)


def _scaled(image):
  """To [0, 1] by the whole batch's range."""
  return (image - image.min()) / (image.max() - image.min())

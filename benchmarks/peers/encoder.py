"""Training of SemanticGAN's encoder with a frozen generator."""

import contextlib
import dataclasses

import torch

from benchmarks.peers import losses
from benchmarks.peers import ranger


@dataclasses.dataclass
class Options:
  """The published settings."""
  learning_rate: float = 1e-3
  unlabeled_clip: float = 2.0
  labeled_clip: float = 5.0
  mse: float = 1.0
  perceptual: float = 10.0
  cross_entropy: float = 1.0
  dice: float = 1.0


class Trainer:
  """An unlabeled and a labeled step, each with its own optimizer.

  Args:
    encoder, generator, perceptual: the networks; the last two are frozen.
    options: see `Options`.
    autocast: () -> context in which networks run.
    compiled: applied to encoder and generator.
  """

  def __init__(self, encoder, generator, perceptual, options, *,
               autocast=contextlib.nullcontext, compiled=lambda f: f):
    self.encoder, self.perceptual, self.o = encoder, perceptual, options
    generator.requires_grad_(False)
    self.autocast = autocast
    self.encode, self.generate = compiled(encoder), compiled(generator)
    self.optimizers = {
        name: ranger.Ranger(encoder.parameters(), options.learning_rate)
        for name in ("unlabeled", "labeled")}

  def iteration(self, batch, noise):
    """One iteration; `batch` and `noise` have "unlabeled" and "labeled"."""
    logs = {}
    for name in ("unlabeled", "labeled"):
      logs |= self._half(name, batch[name], noise[name])
    return logs

  def _half(self, name, batch, noise):
    o, image = self.o, batch["image"]
    with self.autocast():
      decoded, logits = self.generate(self.encode(image), noise)
      target = self.perceptual.features(image)
      features = self.perceptual.features(decoded)
      distance = self.perceptual.distance(features, target).mean()
    mse = (decoded - image).square().mean()
    logs = {"mse": mse, "perceptual": distance}
    loss = o.mse * mse + o.perceptual * distance
    if name == "labeled":
      entropy, dice = losses.label_losses(logits, batch["label"])
      loss = loss + o.cross_entropy * entropy + o.dice * dice
      logs |= {"cross_entropy": entropy, "dice": dice}
    optimizer = self.optimizers[name]
    optimizer.zero_grad(set_to_none=False)
    loss.backward()
    clip = o.unlabeled_clip if name == "unlabeled" else o.labeled_clip
    logs["gradient_norm"] = torch.nn.utils.clip_grad_norm_(
        self.encoder.parameters(), clip)
    optimizer.step()
    logs["loss"] = loss
    return {f"{name}/{k}": v for k, v in logs.items()}

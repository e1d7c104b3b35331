"""Joint training of images and labels: SemanticGAN's iteration."""

import contextlib
import copy
import dataclasses

import torch
from torch.nn import functional as F

from benchmarks.peers import losses
from benchmarks.peers import stylegan2


@dataclasses.dataclass
class Options:
  """The published settings; an interval of 0 leaves a regularizer out."""
  learning_rate: float = 0.002
  r1: float = 10.0
  r1_every: int = 16
  path: float = 2.0
  path_every: int = 4
  feature_matching: float = 2.0
  ema_decay: float = 0.5 ** (32 / 10_000)


class Trainer:
  """Networks, optimizers and the phases of an iteration.

  Args:
    generator, dr, dm: the networks, on their device.
    options: see `Options`.
    fused: Adam in one kernel, EMA over lists of tensors.
    autocast: () -> context in which networks run.
    compiled: applied to the networks where no second derivative is taken,
      which `torch.compile` cannot do.
    features: what a projected `dr` sees of images; None: they themselves.
  """

  def __init__(self, generator, dr, dm, options, *, fused=False,
               autocast=contextlib.nullcontext, compiled=lambda f: f,
               features=None):
    self.g, self.dr, self.dm, self.o = generator, dr, dm, options
    self.features = features and compiled(features)
    self.ema = copy.deepcopy(generator).requires_grad_(False)
    self.fused, self.autocast = fused, autocast
    self.run_g, self.run_dr, self.run_dm = map(compiled, (generator, dr, dm))
    self.mean_path_length = 0.0

    def adam(net, every):
      ratio = every / (every + 1) if every else 1.0
      return torch.optim.Adam(
          net.parameters(), options.learning_rate * ratio,
          (0.0, 0.99 ** ratio), fused=fused or None)

    self.optimizers = {
        "g": adam(generator, options.path_every),
        "dr": adam(dr, 0 if features else options.r1_every),
        "dm": adam(dm, options.r1_every)}

  def iteration(self, batch, rngs, *, r1: bool, path: bool):
    """One iteration.

    Args:
      batch: "unlabeled" and "labeled" images [N, C, H, W] and "label" maps
        in {-1, 1} [N, K, H, W].
      rngs: of "dr", "dm", "g", "path": {"z": [2, n, D], "index": int,
        "noise": maps}; "image_noise".
      r1, path: whether the regularizers act.

    Returns:
      Scalars by name, tensors.
    """
    logs = self._discriminators(batch, rngs)
    if r1:
      logs |= self._r1(batch)
    logs |= self._generator(batch, rngs)
    if path:
      logs |= self._path(rngs)
    self._average()
    return logs

  def _learn(self, *names):
    for name in ("g", "dr", "dm"):
      getattr(self, name).requires_grad_(name in names)

  def _step(self, name, loss):
    self.optimizers[name].zero_grad(set_to_none=False)
    loss.backward()
    self.optimizers[name].step()

  def _latents(self, d):
    w1, w2 = (self.g.style(z) for z in d["z"])
    return stylegan2.mix(w1, w2, d["index"], self.g.num_ws)

  def _fake(self, d):
    with self.autocast():
      return self.run_g(self._latents(d), d["noise"])

  def _scores(self, image):
    """Dr's scores, a tensor for each scale."""
    with self.autocast():
      if not self.features:
        return [self.run_dr(image).float()]
      return [x.float() for x in self.run_dr(self.features(image))]

  def _maps(self, image, label):
    with self.autocast():
      return self.run_dm(torch.cat([image, label], 1))

  def _discriminators(self, batch, rngs):
    self._learn("dr")
    with torch.no_grad():
      fake, _ = self._fake(rngs["dr"])
    real_score, fake_score = (
        self._scores(x) for x in (batch["unlabeled"], fake))
    if self.features:
      dr_loss = sum(F.relu(1 - r).mean() + F.relu(1 + f).mean()
                    for r, f in zip(real_score, fake_score, strict=True))
    else:
      dr_loss = losses.logistic_discriminator(*real_score, *fake_score)
    self._step("dr", dr_loss)
    self._learn("dm")
    with torch.no_grad():
      image, label = self._fake(rngs["dm"])
    fake_maps = self._maps(image, label)
    real_maps = self._maps(batch["labeled"], batch["label"])
    dm_loss = losses.hinge_discriminator(fake_maps, real_maps)
    self._step("dm", dm_loss)
    mean = lambda scores: sum(x.mean() for x in scores) / len(scores)
    return {"dr/loss": dr_loss, "dr/real_score": mean(real_score),
            "dr/fake_score": mean(fake_score), "dm/loss": dm_loss,
            "dm/real_score": losses.over_scales(real_maps, lambda x: x),
            "dm/fake_score": losses.over_scales(fake_maps, lambda x: x)}

  def _r1(self, batch):
    o = self.o
    weight = o.r1 / 2 * o.r1_every
    self._learn("dr")
    image = batch["unlabeled"].detach().clone().requires_grad_()
    with self.autocast():
      score = self.dr(image).float().sum()
    dr_penalty = losses.r1_penalty(score, image)
    self._step("dr", weight * dr_penalty)
    self._learn("dm")
    pair = torch.cat([batch["labeled"], batch["label"]], 1)
    pair = pair.detach().requires_grad_()
    with self.autocast():
      maps = self.dm(pair)
    score = sum(scale[-1].float().mean() for scale in maps)
    dm_penalty = losses.r1_penalty(score, pair)
    self._step("dm", weight * dm_penalty)
    return {"dr/r1": dr_penalty, "dm/r1": dm_penalty}

  def _generator(self, batch, rngs):
    self._learn("g")
    image, label = self._fake(rngs["g"])
    scores = self._scores(image)
    if self.features:
      image_loss = -sum(x.mean() for x in scores)
    else:
      image_loss = F.softplus(-scores[0]).mean()
    fake_maps = self._maps(image.detach(), label)
    real_maps = self._maps(batch["labeled"], batch["label"])
    adversarial = losses.over_scales(fake_maps, lambda x: -x)
    matching = losses.feature_matching(
        fake_maps, real_maps, self.o.feature_matching)
    loss = image_loss + adversarial + matching
    self._step("g", loss)
    return {"g/image": image_loss, "g/label": adversarial,
            "g/feature_matching": matching, "g/loss": loss}

  def _path(self, rngs):
    d = rngs["path"]
    latents = self._latents(d)
    with self.autocast():
      image = self.g(latents, d["noise"])[0]
    penalty, self.mean_path_length, lengths = losses.path_length(
        image, latents, rngs["image_noise"], self.mean_path_length)
    self._step("g", self.o.path * self.o.path_every * penalty)
    return {"g/path": penalty, "g/path_length": lengths.mean()}

  @torch.no_grad()
  def _average(self):
    averages, current = list(self.ema.parameters()), list(self.g.parameters())
    if self.fused:
      torch._foreach_lerp_(averages, current, 1 - self.o.ema_decay)
      return
    for a, p in zip(averages, current, strict=True):
      a.mul_(self.o.ema_decay).add_(p, alpha=1 - self.o.ema_decay)

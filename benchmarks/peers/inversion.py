"""Labeling by optimizing latents and noise maps of a frozen generator."""

import contextlib
import dataclasses
import math
from typing import Any

import torch
from torch.nn import functional as F

from benchmarks.peers import losses


@dataclasses.dataclass
class Options:
  """The official code's settings.

  With an encoder `consistency` acts and `start` weighs the distance to the
  encoder's latents, without one to the mean latent.
  """
  steps: int = 200
  learning_rate: float = 0.1
  rampup: float = 0.05
  rampdown: float = 0.25
  mse: float = 0.1
  noise: float = 100.0
  start: float = 0.01
  consistency: float = 0.0
  loss_size: int = 256


def rate(step: int, o: Options) -> float:
  t = step / o.steps
  down = min(1.0, (1 - t) / o.rampdown)
  down = 0.5 - 0.5 * math.cos(down * math.pi)
  return o.learning_rate * down * min(1.0, t / o.rampup)


@dataclasses.dataclass
class Networks:
  """generate(latents, noise) -> (image, logits); perceptual; encode or None."""
  generate: Any
  perceptual: Any
  encode: Any = None


def search(networks, target, start, noise, o, *, best=False,
           autocast=contextlib.nullcontext, snapshots_at=()):
  """Optimizes a batch; its losses are summed, so images stay apart.

  Args:
    networks: see `Networks`.
    target: [N, C, S, S] in [-1, 1].
    start: latents [N, L, D].
    noise: maps [N, 1, h, w].
    o: see `Options`.
    best: the target's features are computed once, Adam is one kernel.
    autocast: () -> context in which networks run.
    snapshots_at: numbers of steps after which latents are copied.

  Returns:
    (latents, noise, {term: [steps, N]}, {steps: latents}).
  """
  reduced = lambda x: F.interpolate(
      x, size=o.loss_size, mode="area") if x.shape[2] > o.loss_size else x
  target = reduced(target)
  latent = start.detach().clone().requires_grad_()
  noise = [x.detach().clone().requires_grad_() for x in noise]
  optimizer = torch.optim.Adam(
      [latent, *noise], o.learning_rate, fused=best or None)
  features = None
  logs, snapshots = [], {}
  for step in range(o.steps):
    for group in optimizer.param_groups:
      group["lr"] = rate(step, o)
    with autocast():
      image, _ = networks.generate(latent, noise)
      reached = networks.perceptual.features(reduced(image))
      if features is None or not best:
        features = networks.perceptual.features(target)
      distance = networks.perceptual.distance(reached, features)
    per_image = lambda a, b: (a - b).square().flatten(1).mean(1)
    terms = {"perceptual": distance,
             "mse": per_image(reduced(image), target),
             "noise": losses.noise_regulariser(noise),
             "start": per_image(latent, start)}
    total = (distance + o.mse * terms["mse"] + o.noise * terms["noise"]
             + o.start * terms["start"])
    if o.consistency:
      with torch.no_grad():
        again = networks.encode(image)
      terms["encoder"] = per_image(latent, again)
      total = total + o.consistency * terms["encoder"]
    optimizer.zero_grad()
    total.sum().backward()
    optimizer.step()
    losses.normalise_noise(noise)
    terms["total"] = total
    logs.append({k: v.detach() for k, v in terms.items()})
    if step + 1 in snapshots_at:
      snapshots[step + 1] = latent.detach().clone()
  logs = {k: torch.stack([row[k] for row in logs]) for k in logs[0]}
  return latent.detach(), [x.detach() for x in noise], logs, snapshots


def one_at_a_time(networks, target, start, noise, o):
  """The official code's loop: a batch of one image after the other."""
  searches = [
      search(networks, target[i:i + 1], start[i:i + 1],
             [x[i:i + 1] for x in noise], o) for i in range(len(target))]
  latents = torch.cat([x[0] for x in searches])
  maps = [torch.cat(m) for m in zip(*(x[1] for x in searches), strict=True)]
  logs = {k: torch.cat([x[2][k] for x in searches], 1) for k in searches[0][2]}
  return latents, maps, logs, {}

"""What an inversion is given: networks as functions, loss weights, options."""

from collections.abc import Callable
import dataclasses
from typing import Any
from typing import NamedTuple

import jax
import optax


class Networks(NamedTuple):
  """The frozen networks as pure functions of one pytree, `frozen`.

  Each must treat the images of a batch separately; see `per_image`.

  Attributes:
    num_ws: latents of a W+ latent, L.
    noise_shapes: (height, width) of each noise map.
    generate: (frozen, latents [N, L, D], noise tuple of [N, h, w, 1]) ->
      (image [N, S, S, C] float, not clamped; logits [N, S, S, K] or None).
    features: (frozen, image) -> pytree of perceptual features.
    distance: (frozen, features, features) -> [N].
    encode: (frozen, image) -> latents [N, L, D]; None where nothing needs it.
  """
  num_ws: int
  noise_shapes: tuple[tuple[int, int], ...]
  generate: Callable[[Any, jax.Array, Any], tuple[jax.Array, Any]]
  features: Callable[[Any, jax.Array], Any]
  distance: Callable[[Any, Any, Any], jax.Array]
  encode: Callable[[Any, jax.Array], jax.Array] | None = None


class Weights(NamedTuple):
  """Weight of each term of an image's loss; the encoder start's values.

  Attributes:
    perceptual: perceptual distance to the image.
    mse: mean squared error to the image.
    noise: autocorrelation of the noise maps.
    encoder: MSE of the latent to E(G(latent)), which has no gradient.
    start: MSE of the latent to its start.
  """
  perceptual: float = 1.0
  mse: float = 0.1
  noise: float = 100.0
  encoder: float = 1e-3
  start: float = 0.0


MEAN_START = Weights(encoder=0.0, start=0.01)  # The mean start's values.


@dataclasses.dataclass(frozen=True)
class Options:
  """How to search; the defaults are those of the official code and its README.

  Attributes:
    steps: number of steps; 0 keeps the start.
    optimizer: what turns gradients into changes of the latents [N, L, D]
      (and of the noise maps), each image's alone. None: Adam with the next
      three fields, which are unused otherwise.
    learning_rate: at its plateau; the first step has rate 0.
    rampup: share of the steps with a rising rate.
    rampdown: share of the steps with a falling one.
    start: "encoder" (E(x)) or "mean" (the mean latent).
    space: "w+" (a latent per layer) or "w" (one for all; mean start only).
    start_noise: standard deviation of the noise added to each initial latent.
    optimize_noise: whether the noise maps are optimized too, or fixed.
    fresh_noise: whether the noise maps are sampled anew at each step.
    weights: of the loss terms; None = `Weights()` or `MEAN_START`, by start.
    loss_size: larger images are averaged down to this height for the loss.
    best_every: after every so many steps the latents become the result if the
      loss measured at the beginning of that step is the lowest so far, for
      each image alone; 0: the last latents are the result.
    snapshots: numbers of steps after which latents and noise are recorded.
    segment: most steps in one jitted call; None = what suits the platform.
  """
  steps: int = 200
  optimizer: optax.GradientTransformation | None = None
  learning_rate: float = 0.1
  rampup: float = 0.05
  rampdown: float = 0.25
  start: str = "encoder"
  space: str = "w+"
  start_noise: float = 0.0
  optimize_noise: bool = True
  fresh_noise: bool = False
  weights: Weights | None = None
  loss_size: int = 256
  best_every: int = 0
  snapshots: tuple[int, ...] = ()
  segment: int | None = None

  def __post_init__(self):
    if self.start not in ("encoder", "mean"):
      raise ValueError(f"start is {self.start!r}; use 'encoder' or 'mean'")
    if self.space not in ("w", "w+"):
      raise ValueError(f"space is {self.space!r}; use 'w' or 'w+'")
    if self.space == "w" and self.start != "mean":
      raise ValueError(
          "an encoder gives W+ latents: space 'w' needs start 'mean'")
    if self.steps < 0:
      raise ValueError(f"steps is {self.steps}; use 0 or more")
    for name in ("rampup", "rampdown"):
      if not 0 < getattr(self, name) <= 1:
        raise ValueError(
            f"{name} is {getattr(self, name)}; a share of the steps in (0, 1]")
    if self.segment is not None and self.segment < 1:
      raise ValueError(f"segment is {self.segment}; use 1 or more, or None")
    if self.fresh_noise and self.optimize_noise:
      raise ValueError("noise sampled anew at each step cannot be optimised: "
                       "fresh_noise needs optimize_noise=False")
    if self.best_every and not 0 < self.best_every <= self.steps:
      raise ValueError(f"best_every is {self.best_every}; use 0, or 1 to "
                       f"{self.steps} steps")
    outside = [s for s in self.snapshots if not 0 <= s <= self.steps]
    if outside:
      raise ValueError(f"snapshots {outside} are not within 0..{self.steps}")

"""The one abstraction: a stage of training as pure functions."""

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

PyTree = Any


class Stage(NamedTuple):
  """What the loop needs to train one thing; made by a method's `make(config)`.

  Attributes:
    steps: number of optimization steps; 0 for a stage that only computes.
    load_frozen: () -> pytree of arrays that training reads and never changes
      (a trained generator, a perceptual network); may raise a clear error.
    init: (key, frozen) -> State, a `flax.struct` pytree of arrays only with an
      int32 scalar `step`.
    phases: host-side schedule, step (from 0) -> names; each name is compiled
      once and the phases of a step run in order. Only the last one advances
      `state.step`.
    rngs: (key, phase) -> pytree, all randomness of the phase.
    train_step: (state, frozen, batch, rngs, *, phase) -> (state, metrics);
      metrics is a dict of scalars, names like "g/loss".
    train_data: (start_step) -> iterator of pytrees of NumPy arrays; batch s of
      train_data(0) equals batch s - k of train_data(k).
    sample: (state, frozen, key) -> {name: uint8 [H, W, 3] image}, or None.
    validate: (state, frozen) -> {metric name: float}, or None.
  """
  steps: int
  load_frozen: Callable[[], PyTree]
  init: Callable[[Any, PyTree], PyTree]
  phases: Callable[[int], tuple[str, ...]]
  rngs: Callable[[Any, str], PyTree]
  train_step: Callable[..., tuple[PyTree, dict[str, Any]]]
  train_data: Callable[[int], Iterator[PyTree]]
  sample: Callable[..., dict[str, Any]] | None = None
  validate: Callable[..., dict[str, float]] | None = None

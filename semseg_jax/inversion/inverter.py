"""Chunks of images through the jitted search, and back as NumPy arrays."""

from collections.abc import Iterator
import dataclasses
import functools
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.cpu import target
from semseg_jax.inversion import options as options_lib
from semseg_jax.inversion import search
from semseg_jax.ops import schedules


class Result(NamedTuple):
  """The result of a search, as NumPy arrays; N images.

  Attributes:
    latents: [N, L, D] (in W: one latent, repeated); the last ones, or the best
      so far.
    noise: tuple of [N, h, w, 1].
    snapshots: {steps done: (latents, noise)}.
    losses: {term: [steps, N]} before each step's update, unweighted, and
      "total", the weighted sum. Empty if no step was done.
  """
  latents: np.ndarray
  noise: tuple[np.ndarray, ...]
  snapshots: dict[int, tuple[np.ndarray, tuple[np.ndarray, ...]]]
  losses: dict[str, np.ndarray]


class Inverter:
  """The jitted search: compiled once for any number of images.

  Attributes:
    options: as given, `weights` and `segment` filled in.
    learning_rates: [steps] float32, the rate of each step.
  """

  def __init__(self, networks: options_lib.Networks,
               options: options_lib.Options, batch_size: int,
               sharding: jax.sharding.NamedSharding | None = None):
    """Args:
      networks: frozen networks as functions.
      options: how to search.
      batch_size: images per chunk; the last one is padded to it.
      sharding: placement of a chunk's images, such as
        NamedSharding(mesh, P("data")); the variables are then replicated on
        its mesh. None: the default device.
    """
    self.options = _complete(options)
    if networks.encode is None and (
        options.start == "encoder" or self.options.weights.encoder):
      raise ValueError(
          "networks.encode is None, which the encoder start and "
          "weights.encoder need; give an encoder or use start='mean'")
    self.learning_rates = np.asarray(schedules.ramp(
        np.arange(options.steps), options.steps, options.learning_rate,
        options.rampdown, options.rampup), np.float32)
    self._networks = networks
    self._batch_size = batch_size
    self._sharding = sharding
    self._begin = jax.jit(functools.partial(
        search.begin, networks, self.options, sharding))
    self._advance = jax.jit(
        functools.partial(
            search.advance, networks, self.options, self.learning_rates,
            sharding),
        donate_argnames="state")
    self._generate = jax.jit(networks.generate)

  def run(self, frozen, targets, indices, key, *, mean=None, noise=None
          ) -> Result:
    """Inverts images.

    Args:
      frozen: the networks' variables.
      targets: [N, S, S, C] float in [-1, 1], N >= 1.
      indices: [N] ints, each image's number in its data set; the initial
        noise of an image is sampled from `key` and this number.
      key: a JAX random key.
      mean: [D], the mean latent; needed by the mean start.
      noise: tuple of [N, h, w, 1], initial maps instead of sampled ones.

    Returns:
      Latents, noise maps and losses of the N images.
    """
    results = list(self.chunks(
        frozen, targets, indices, key, mean=mean, noise=noise))
    last_axis = lambda *x: np.concatenate(x, axis=1)
    joined = jax.tree.map(
        lambda *x: np.concatenate(x), *(r._replace(losses={}) for r in results))
    return joined._replace(
        losses=jax.tree.map(last_axis, *(r.losses for r in results)))

  def chunks(self, frozen, targets, indices, key, *, mean=None, noise=None
             ) -> Iterator[Result]:
    """Like `run`, but yields a `Result` per chunk of `batch_size` images."""
    _check_images(targets, indices)
    if (mean is None) != (self.options.start == "encoder"):
      raise ValueError(
          "give the mean latent with start='mean', and only then; start is "
          f"{self.options.start!r} and mean is of type {type(mean).__name__}")
    inputs = (targets, np.asarray(indices, np.int32), noise)
    frozen = self._on_devices(frozen)
    for count, chunk in self._split(inputs):
      yield self._run_chunk(frozen, *chunk, key, mean, count)

  def render(self, frozen, latents, noise) -> tuple[np.ndarray, Any]:
    """The generator's (image, logits) for a result's latents and noise maps."""
    parts = []
    frozen = self._on_devices(frozen)
    for count, chunk in self._split((latents, tuple(noise))):
      parts.append(_fetch(self._generate(frozen, *chunk), count))
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)

  def compilations(self) -> dict[str, int]:
    """How often each jitted piece has been compiled."""
    pieces = dict(
        begin=self._begin, advance=self._advance, render=self._generate)
    return {name: piece._cache_size() for name, piece in pieces.items()}

  def lower_step(self, frozen, targets, indices, key, *, mean=None):
    """The lowered jitted step for one chunk, to read its program.

    Takes what `run` takes for one chunk, as arrays or as their shapes.
    """
    task, state = jax.eval_shape(
        self._begin, frozen, targets, indices, None, key, mean)
    if self._sharding is not None:
      whole = jax.sharding.NamedSharding(
          self._sharding.mesh, jax.sharding.PartitionSpec())
      frozen = jax.tree.map(lambda x: jax.ShapeDtypeStruct(
          x.shape, x.dtype, sharding=whole), frozen)
      task, state = jax.tree.map(
          lambda x: x.update(sharding=self._sharding if x.ndim else whole),
          (task, state))
    return self._advance.lower(frozen, task, state, 1)

  def _run_chunk(self, frozen, targets, indices, noise, key, mean, count):
    task, state = self._begin(frozen, targets, indices, noise, key, mean)
    o = self.options
    snapshots, logs, done = {}, [], 0
    for stop in sorted({*o.snapshots, o.steps}):
      while done < stop:
        todo = min(o.segment, stop - done)
        state, terms = self._advance(frozen, task, state, todo)
        logs.append((terms, todo))
        done += todo
      if stop in o.snapshots:
        snapshots[stop] = self._latents_and_noise(state, count)
    if o.best_every:
      state = state.replace(latent=state.best[1])
    latents, noise = self._latents_and_noise(state, count)
    # Losses are fetched only now: the steps above run without waiting.
    losses = {
        name: np.concatenate([
            np.asarray(terms[name])[:todo, :count] for terms, todo in logs])
        for name in (logs[0][0] if logs else ())}
    return Result(latents, noise, snapshots, losses)

  def _on_devices(self, frozen):
    """The variables on the devices, so that no step sends them there again."""
    if self._sharding is None:
      return jax.tree.map(jnp.asarray, frozen)
    mesh = self._sharding.mesh
    return jax.device_put(
        frozen, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec()))

  def _latents_and_noise(self, state, count):
    latent, noise = _fetch((state.latent, state.noise), count)
    shape = (count, self._networks.num_ws, latent.shape[-1])
    return np.broadcast_to(latent, shape).copy(), noise

  def _split(self, arrays):
    """Yields (count, chunk); the last chunk is padded by its last image."""
    total = len(arrays[0])
    size = self._batch_size
    for first in range(0, total, size):
      rows = np.minimum(np.arange(first, first + size), total - 1)
      pick = lambda x, rows=rows: x if total == size else x[rows]
      chunk = jax.tree.map(pick, arrays)
      if self._sharding is not None:
        chunk = jax.device_put(chunk, self._sharding)
      yield min(size, total - first), chunk


def _fetch(tree, count):
  """NumPy copies of the first `count` images (the buffers are donated)."""
  return jax.tree.map(lambda x: np.array(np.asarray(x)[:count]), tree)


def _complete(options):
  """`options` with the weights and the segment that None stands for."""
  weights = options.weights
  if weights is None:
    encoder = options.start == "encoder"
    weights = options_lib.Weights() if encoder else options_lib.MEAN_START
  # XLA's CPU backend runs a rolled loop at about half the speed of the same
  # step called from Python; an accelerator gains by fewer calls.
  segment = options.segment
  if segment is None:
    segment = 1 if target.platform() == "cpu" else 50
  return dataclasses.replace(options, weights=weights, segment=segment)


def _check_images(targets, indices):
  if targets.ndim != 4 or targets.shape[1] != targets.shape[2]:
    raise ValueError(
        f"targets are {targets.shape}; square images [N, S, S, C] are needed")
  if not jnp.issubdtype(targets.dtype, jnp.floating):
    raise ValueError(
        f"targets are {targets.dtype}; give floats in [-1, 1], such as "
        "ops.image_ops.from_uint8 makes")
  if not len(targets) or len(indices) != len(targets):
    raise ValueError(
        f"{len(targets)} images and {len(indices)} indices; give one index "
        "per image, and at least one image")

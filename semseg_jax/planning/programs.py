"""Every program that a config runs, as shapes only: nothing is read or sampled.

The programs are those of training (`training.phases.lower`) and of inversion
(`Inverter.lower_step`) themselves, on a mesh of any devices.
"""

from collections.abc import Callable
import copy
import math
from typing import NamedTuple

from absl import logging
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax import stages
from semseg_jax.data import datasets
from semseg_jax.methods.semantic_gan import labeling
from semseg_jax.training import mesh as mesh_lib
from semseg_jax.training import phases

_MOST_STEPS = 960  # that are looked at for how often each phase runs


class Program(NamedTuple):
  """One compiled unit."""
  # stage, phase: names; the search of inversion is stage "inversion".
  stage: str
  phase: str
  per_step: float  # how often it runs in a step, on average
  steps: int  # steps of its stage
  batch: int  # images of a call, of the largest stream
  lower: Callable[[], jax.stages.Lowered]  # () -> the lowered program
  # () -> what its FLOPs and bytes are to be multiplied by: XLA counts the body
  # of a loop, which microbatches are, once.
  repeats: Callable[[], float] = lambda: 1.0

  def work(self) -> tuple[float, float]:
    """FLOPs and bytes of a call, as lowered, before any compiler."""
    counted, times = self.lower().cost_analysis() or {}, self.repeats()
    return (times * counted.get("flops", 0.0),
            times * counted.get("bytes accessed", 0.0))


def blank(config):
  """A copy of `config` on blank images, so that no data need be there."""
  config = copy.deepcopy(config)
  config.data.name = datasets.BLANK
  if "monitor" in config:
    config.monitor.samples = 0
  return config


def training(config, name: str, mesh) -> list[Program]:
  """The phases of stage `name` on `mesh`; none where it trains nothing.

  Args:
    config: the experiment's, `blank`.
    name: one of its stages.
    mesh: from `mesh.make`.
  """
  stage = stages.of(config, name).make(config, None)
  if not stage.steps:  # it computes something, with trained networks
    logging.warning("stage %r is left out: it trains nothing", name)
    return []
  frozen = _shapes(stage.load_frozen(), mesh_lib.replicated(mesh))
  key = _shapes(jax.eval_shape(lambda: jax.random.key(0)),
                mesh_lib.replicated(mesh))
  state = jax.eval_shape(stage.init, key, frozen)
  state = jax.tree.map(
      lambda x, s: x.update(sharding=s), state,
      mesh_lib.state_shardings(state, mesh, config.sharding))
  batch = _shapes(next(iter(stage.train_data(0))),
                  mesh_lib.batch_sharding(mesh), mesh_lib.replicated(mesh))
  # Where a step reads no data it makes its images from random numbers.
  drawn = jax.eval_shape(lambda key: stage.rngs(key, stage.phases(0)[0]), key)
  rows = [x.shape[0] for x in jax.tree.leaves(batch or drawn) if x.shape]
  images = max(rows, default=1)  # or the number of one image
  if rows:
    mesh_lib.check_divisible(images, mesh, f"the batch of stage {name!r}")
  counts, period = frequencies(stage)
  whole = {}
  if config.num_microbatches > 1:
    one = copy.deepcopy(config)
    one.num_microbatches = 1
    whole = {p.phase: p for p in training(one, name, mesh)}
  listing = []
  for phase, (position, count) in counts.items():
    def lower(phase=phase, position=position):
      return phases.lower(stage, phase, mesh, state, frozen, batch, key,
                          np.int32(position))
    def repeats(phase=phase, lower=lower):
      if not whole or not (parts := phases.lowered_flops(lower())):
        return 1.0
      return phases.lowered_flops(whole[phase].lower()) / parts
    listing.append(Program(
        name, phase, count / period, stage.steps, images, lower, repeats))
  return listing


def frequencies(stage):
  """({phase: (its position in a step, runs)}, steps looked at) of a stage."""
  steps = min(_MOST_STEPS, stage.steps)
  counts = {}
  for step in range(steps):
    for position, phase in enumerate(stage.phases(step)):
      first, count = counts.get(phase, (position, 0))
      counts[phase] = (first, count + 1)
  return counts, steps


def has_inversion(config) -> bool:
  """Whether `inversion` lists anything."""
  return (config.method == "semantic_gan" and "encoder" in config.stages
          and bool(config.data.num_labeled))


def inversion(config, mesh) -> list[Program]:
  """One step of test-time inversion, where the config's method has it.

  Its `per_step` is the number of steps: the stage's "step" is a whole search.
  """
  if not has_inversion(config):
    return []
  config = copy.deepcopy(config)
  config.inversion.segment = 1
  c = config.inversion
  rows = mesh_lib.batch_sharding(mesh)
  mesh_lib.check_divisible(c.batch_size, mesh, "config.inversion.batch_size")
  inverter, frozen = labeling.make_inverter(config, None, rows)
  shape = jax.ShapeDtypeStruct
  n, size = c.batch_size, config.data.size
  target = shape((n, size, size, config.data.channels), jnp.float32,
                 sharding=rows)
  mean = None if c.start == "encoder" else shape(
      (config.generator.style_dim,), jnp.float32)

  def lower():
    return inverter.lower_step(
        _shapes(frozen, mesh_lib.replicated(mesh)), target,
        shape((n,), jnp.int32, sharding=rows),
        jax.eval_shape(lambda: jax.random.key(0)), mean=mean)

  return [Program("inversion", "step", c.steps, 1, n, lower)]


def scaled(config, factor: float):
  """A copy of `config` with every batch size times `factor`, at least 1."""
  return _with_batches(config, lambda size: max(1, round(factor * size)))


def batch_for(config, devices: int):
  """`config` with the smallest batches that all devices can share.

  Batch sizes that do not divide by the number of devices are raised to the
  next multiple.
  """
  return _with_batches(
      config, lambda size: math.ceil(size / devices) * devices)


def _with_batches(config, changed):
  """A copy of `config` with `changed(size)` for every batch size."""
  config = copy.deepcopy(config)
  sizes = [
      (block, name, changed(block[name]))
      for block in config.values() if hasattr(block, "keys") for name in block
      if name.endswith("batch_size") and isinstance(block[name], int)]
  for block, name, size in sizes:  # One may refer to another: changed once.
    block[name] = size
  return config


def _shapes(tree, sharding, of_numbers=None):
  """The arrays' shapes and types with a sharding, numbers with their own."""
  return jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(
          x.shape, x.dtype, sharding=sharding if x.shape else (
              of_numbers or sharding)), tree)

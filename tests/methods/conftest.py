"""A config of 8 px and a few channels, and batches that need no data set."""

import fcntl
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.semantic_gan import base
from configs.semantic_gan import small
from semseg_jax import experiment
from semseg_jax.methods import gan
from semseg_jax.methods.common import data
from semseg_jax.training import checkpoint
from semseg_jax.training import loop
from tests.methods import smis

SIZE, BATCH = 8, 4


def _config(**changes):
  c = base.get_config()
  small.smoke(c)
  c.data.update(name="toy_faces", size=SIZE, num_classes=3, num_labeled=8,
                num_unlabeled=16)
  c.generator.update(style_dim=8, mlp_layers=1, max_channels=4)
  c.image_discriminator.max_channels = 4
  c.patch_discriminator.update(width=4, num_layers=1, num_scales=2)
  c.encoder.update(stem_width=4, blocks=(1, 1, 1, 1), fpn_channels=4,
                   head_channels=4, head_convs=())
  c.supervised.update(width=4, levels=1)
  c.update_from_flattened_dict(changes)
  return c


def _batch(config, seed=0):
  rng = np.random.default_rng(seed)
  shape = (BATCH, SIZE, SIZE)
  image = lambda: rng.integers(
      0, 256, (*shape, config.data.channels), np.uint8)
  label = rng.integers(0, config.data.num_classes, shape).astype(np.int32)
  label[:, 0, 0] = data.ignore_index(config)
  return {"unlabeled": {"image": image()},
          "labeled": {"image": image(), "label": label}}


@pytest.fixture(scope="session")
def toy_config():
  """toy_config(**{"gan.r1_gamma": 3.0}) -> a new config."""
  return _config


@pytest.fixture(scope="session")
def toy_batch():
  """toy_batch(config) -> a batch of the size that its rngs have."""
  return _batch


@pytest.fixture(scope="session")
def iterate():
  """iterate(stage, config, frozen) -> (state before, after, metrics)."""

  def run(stage, config, frozen=None, step=0):
    # One program for the whole iteration: compiling is what costs here.
    return jax.device_get(jax.jit(_iteration(stage, step))(
        frozen, _batch(config)))

  return run


@pytest.fixture(scope="session")
def trace():
  """trace(stage, config, frozen) -> shapes of `iterate`'s, with every phase.

  Nothing is compiled: finds what cannot be built, not wrong values.
  """
  return lambda stage, config, frozen=None: jax.eval_shape(
      _iteration(stage, 0), frozen, _batch(config))


def _iteration(stage, step):
  def iteration(frozen, batch):
    state = first = stage.init(jax.random.key(0), frozen)
    metrics = {}
    for i, phase in enumerate(stage.phases(step)):
      state, new = stage.train_step(
          state, frozen, batch, stage.rngs(jax.random.key(i), phase),
          phase=phase)
      metrics |= new
    return first, state, metrics

  return iteration


@pytest.fixture(scope="session")
def all_finite():
  def check(tree):
    for path, x in jax.tree_util.tree_leaves_with_path(tree):
      assert jnp.isfinite(x).all(), jax.tree_util.keystr(path)

  return check


@pytest.fixture
def resumed(tmp_path, toy_batch):
  """resumed(stage, config, state, phases) -> state after three iterations,
  having checked that a run cut after the first ends in the same bits."""

  def check(stage, config, state, phases):
    stage = stage._replace(
        init=lambda key, frozen: jax.tree.map(jnp.array, state),
        phases=lambda step: phases, sample=None,
        train_data=lambda start: (
            toy_batch(config, seed=s) for s in range(start, 100)))
    run = lambda name, steps: jax.device_get(loop.train(
        stage._replace(steps=steps), workdir=tmp_path / name,
        options=loop.LoopOptions(log_every=1, checkpoint_every=1),
        key=jax.random.key(3)))
    whole = run("whole", 3)
    run("parts", 1)
    parts = run("parts", 3)
    jax.tree.map(np.testing.assert_array_equal, whole, parts)
    return parts

  return check


@pytest.fixture(scope="session")
def smis_run(tmp_path_factory):
  """(config, folder) of a dense Fewshot-SMIS run on an untrained generator."""
  root = tmp_path_factory.getbasetemp()
  if "PYTEST_XDIST_WORKER" in os.environ:
    root = root.parent  # one run for all workers
  config, folder = smis.config(), root / "smis"
  with open(root / "smis.lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not (folder / "gan").exists():
      stage = gan.make(config, folder)
      with checkpoint.Checkpoints(folder / "gan/ckpt") as checkpoints:
        checkpoints.save(1, jax.jit(stage.init)(jax.random.key(0), {}), {})
    experiment.run(experiment.train, config, folder,
                   only=["shots", "encoder", "fully_supervised"])
  return config, folder

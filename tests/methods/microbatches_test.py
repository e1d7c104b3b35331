"""Microbatches and rematerialisation leave the joint GAN's gradients alone."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from semseg_jax import stages
from semseg_jax.methods import gan
from semseg_jax.methods import supervised
from semseg_jax.methods.semantic_gan import encoder

BATCH = 8


@pytest.fixture(scope="module")
def batch(toy_config, toy_batch):
  halves = [toy_batch(toy_config(), seed) for seed in (0, 1)]
  return jax.tree.map(lambda *x: np.concatenate(x), *halves)


@pytest.fixture(scope="module")
def gradients(toy_config, batch):
  """gradients(phase, **changes) -> ({network: gradients}, metrics)."""
  def make(**changes):
    config = toy_config(**{"gan.batch_size": BATCH, **changes})
    config.gan.augment.update(policy=("color",), pair_policy=("color",))
    return gan.make(config, None)

  first = jax.jit(make().init)(jax.random.key(0), {})

  @functools.cache
  def run(phase, **changes):
    stage = make(**changes)

    @jax.jit
    def step(state, batch):
      return stage.train_step(
          state, {}, batch, stage.rngs(jax.random.key(1), phase), phase=phase)

    state, metrics = jax.device_get(step(first, batch))
    # With beta1 = 0 Adam's first moment is the gradient itself.
    return {k: x[0].mu for k, x in state.optimizers.items()}, metrics

  return run


def assert_close(actual, expected, tolerance):
  for (path, x), y in zip(
      jax.tree_util.tree_leaves_with_path(actual), jax.tree.leaves(expected),
      strict=True):
    np.testing.assert_allclose(
        x, y, atol=tolerance * max(np.abs(y).max(), 1e-6), rtol=tolerance,
        err_msg=jax.tree_util.keystr(path))


@pytest.mark.parametrize("phase", [
    "r1", pytest.param("d", marks=pytest.mark.slow),
    pytest.param("g", marks=pytest.mark.slow)])
def test_two_parts_equal_the_whole(gradients, phase):
  expected, metrics = gradients(phase)
  actual, actual_metrics = gradients(phase, num_microbatches=2)
  assert_close(actual, expected, 2e-4)
  assert_close(actual_metrics, metrics, 1e-4)


@pytest.mark.slow
def test_path_length_mean_is_that_of_all(gradients):
  _, expected = gradients("path")
  _, actual = gradients("path", num_microbatches=2)
  np.testing.assert_allclose(
      actual["g/path_length"], expected["g/path_length"], rtol=1e-4)
  # Each part's penalty is taken against a mean that saw that part alone.
  np.testing.assert_allclose(actual["g/path"], expected["g/path"], rtol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["r1", "path"])
def test_rematerialised_blocks_change_nothing(gradients, phase):
  expected, _ = gradients(phase)
  actual, _ = gradients(phase, remat=True)
  assert_close(actual, expected, 1e-4)


def test_batches_that_do_not_split_are_refused(toy_config):
  config = toy_config(num_microbatches=3)
  for module in (gan, encoder, supervised):
    with pytest.raises(
        ValueError, match="batch_size = 4.*num_microbatches = 3"):
      module.make(config, None)


@pytest.mark.slow
@pytest.mark.parametrize("module", [supervised])
def test_other_stages_train_by_parts(
    toy_config, iterate, all_finite, module):
  config = toy_config(num_microbatches=2)
  _, state, metrics = iterate(module.make(config, None), config)
  all_finite((state, metrics))
  assert state.step == 1


def test_synthetic_pairs_are_split_with_the_real_ones(
    toy_config, toy_batch, all_finite):
  config = toy_config(num_microbatches=2)
  stage = supervised.make(config, None)
  batch = {"labeled": toy_batch(config)["labeled"],
           "synthetic": toy_batch(config, 1)["labeled"]}

  @jax.jit
  def step(batch):
    state = stage.init(jax.random.key(0), {})
    return stage.train_step(
        state, {}, batch, stage.rngs(jax.random.key(1), "step"), phase="step")

  state, metrics = jax.device_get(step(batch))
  all_finite((state, metrics))
  assert set(state.network) == {"params", "batch_stats"}
  assert set(metrics) == {"loss", "cross_entropy", "dice"}


def test_stages_that_take_batches_whole_refuse_parts(toy_config, monkeypatch):
  config = toy_config(num_microbatches=2)
  whole = dataclasses.replace(
      stages.of(config, "supervised"), fields=("supervised",))
  monkeypatch.setitem(stages.METHODS[config.method], "supervised", whole)
  with pytest.raises(ValueError, match="microbatches is 2.*'supervised'.*to 1"):
    stages.make(config, None, "supervised")

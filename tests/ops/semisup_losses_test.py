"""Semi-supervised losses: selections by weight, ranges, gradients."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.ops import semisup_losses as losses


def logits(n=4, size=5, classes=3, seed=0):
  return np.random.default_rng(seed).normal(
      size=(n, size, size, classes)).astype(np.float32)


@settings(deadline=None, max_examples=16)
@given(st.lists(st.booleans(), min_size=4, max_size=4))
def test_self_training_is_that_of_the_selected_alone(chosen):
  x = logits()
  weight = np.array(chosen)
  self_training = jax.jit(losses.self_training)
  got = self_training(x, weight)
  if not any(chosen):
    assert got == 0
  else:
    alone = self_training(x[weight], np.ones(weight.sum()))
    np.testing.assert_allclose(got, alone, rtol=1e-5)


def test_self_training_of_pixels_and_its_gradient():
  x = jnp.asarray(logits())
  weight = np.zeros((4, 5, 5), np.float32)
  weight[1, 2, 3] = 1
  value, gradient = jax.value_and_grad(losses.self_training)(x, weight)
  expected = -jax.nn.log_softmax(x[1, 2, 3]).max()
  np.testing.assert_allclose(value, expected, rtol=1e-5)
  moved = np.argwhere(np.abs(gradient).sum(-1) > 0)
  assert moved.tolist() == [[1, 2, 3]]
  none = jax.grad(losses.self_training)(x, np.zeros(4))
  assert not np.any(none)


def test_score_loss_is_clamped_and_weighted():
  far = jnp.array([-1e4, 1e4])
  np.testing.assert_allclose(losses.score_loss(far, True), 50.0)
  np.testing.assert_allclose(
      losses.score_loss(far, True, jnp.array([0.0, 1.0])), 0.0)
  assert losses.score_loss(far, True, jnp.zeros(2)) == 0
  assert np.isfinite(jax.grad(lambda x: losses.score_loss(x, True))(far)).all()


def test_scale_to_range():
  x = np.random.default_rng(0).uniform(-40, 90, (2, 4, 4, 3)).astype(
      np.float32)
  y = np.asarray(losses.scale_to_range(x))
  np.testing.assert_allclose((y.min(), y.max()), (0, 1), atol=1e-6)
  borrowed = losses.scale_to_range(x, losses.value_range(x)[1] / 2)
  np.testing.assert_allclose(borrowed, 2 * y, rtol=1e-4, atol=1e-5)
  assert not np.any(losses.scale_to_range(np.full((1, 2, 2, 3), 7.0)))


@pytest.mark.parametrize("distance", [
    losses.squared_consistency, losses.cosine_consistency])
def test_consistency_is_zero_where_equal(distance):
  x = np.random.default_rng(0).normal(size=(4, 7)).astype(np.float32)
  np.testing.assert_allclose(distance(x, x), 0, atol=1e-6)
  assert distance(x, -x) > 0.01
  zero = jnp.zeros((2, 3))
  assert np.isfinite(jax.grad(distance)(zero, zero + 1)).all()

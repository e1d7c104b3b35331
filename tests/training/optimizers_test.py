"""Ranger's parts one by one, Adam's lazy scaling, clipping."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from semseg_jax.training import optimizers


def steps(tx, params, grads):
  """Parameters after each of `grads`."""
  state, trace = tx.init(params), []
  update = jax.jit(tx.update)
  for g in grads:
    deltas, state = update(g, state, params)
    params = optax.apply_updates(params, deltas)
    trace.append(params)
  return trace


@pytest.mark.parametrize("b2", [0.9, 0.99, 0.999, 0.9999])
def test_average_length_is_exact_in_float32(b2):
  t = np.arange(1, 20_000, dtype=np.float64)
  exact = 2 / (1 - b2) - 1 - 2 * t * b2 ** t / -np.expm1(t * np.log(b2))
  got = optimizers.average_length(jnp.asarray(t, jnp.float32), b2)
  np.testing.assert_allclose(got, exact, rtol=1e-6)


def test_centralization_keeps_the_output_axis():
  grad = np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype(np.float32)
  tx = optimizers.ranger(1.0)
  moved = steps(tx, jnp.zeros(grad.shape), [grad])[0]
  np.testing.assert_allclose(moved.mean((0, 1, 2)), 0, atol=1e-6)
  first = optimizers.ranger(1.0, output_axis=0)
  moved = steps(first, jnp.zeros(grad.shape), [grad])[0]
  np.testing.assert_allclose(moved.mean((1, 2, 3)), 0, atol=1e-6)
  plain = optimizers.ranger(1.0, centralize=False)
  moved = steps(plain, jnp.zeros(grad.shape), [grad])[0]
  np.testing.assert_allclose(moved, -grad, rtol=1e-5)


def test_slow_weights_start_at_the_first_update():
  # As with two optimizers on the same parameters.
  tx = optimizers.ranger(0.1, lookahead_steps=1, lookahead_rate=0.0)
  state = tx.init(jnp.zeros(3))
  moved_by_another = jnp.ones(3)
  deltas, _ = tx.update(jnp.ones(3), state, moved_by_another)
  np.testing.assert_array_equal(deltas, np.zeros(3))


def test_learning_rates_number_schedule_and_injected_agree():
  p, grads = jnp.ones(3), np.ones((4, 3), np.float32)
  number = steps(optimizers.ranger(0.1), p, grads)
  scheduled = steps(optimizers.ranger(lambda count: 0.1), p, grads)
  injected = steps(optax.inject_hyperparams(
      lambda learning_rate: optimizers.ranger(learning_rate))(
          learning_rate=0.1), p, grads)
  np.testing.assert_allclose(scheduled, number, rtol=1e-6)
  np.testing.assert_allclose(injected, number, rtol=1e-6)
  # A schedule sees the steps done so far: 0 at the first.
  late = steps(optimizers.ranger(lambda count: 0.1 * (count > 0)), p, grads)
  np.testing.assert_array_equal(late[0], p)
  assert (late[1] != p).all()


def test_ranger_errors():
  with pytest.raises(ValueError, match="at least 4, got 3"):
    optimizers.ranger(0.1, threshold=3)
  tx = optimizers.ranger(0.1)
  with pytest.raises(ValueError, match="needs the parameters"):
    tx.update(jnp.ones(2), tx.init(jnp.ones(2)))


def test_lazy_adam_scales_rate_and_betas():
  p, grads = jnp.ones(3), np.random.default_rng(0).normal(size=(5, 3))
  grads = grads.astype(np.float32)
  got = steps(optimizers.lazy_adam(0.002, (0.0, 0.99), 4 / 5), p, grads)
  want = steps(optax.adam(0.0016, b1=0.0, b2=0.99 ** 0.8), p, grads)
  np.testing.assert_array_equal(got, want)
  by_schedule = optimizers.lazy_adam(lambda count: 0.002, (0.0, 0.99), 4 / 5)
  np.testing.assert_allclose(steps(by_schedule, p, grads), want, rtol=1e-6)
  with pytest.raises(ValueError, match="got 1.5"):
    optimizers.lazy_adam(0.002, (0.0, 0.99), 1.5)


@settings(deadline=None)
@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_clip_by_global_norm(norm, limit):
  grads = {"a": jnp.array([0.6 * norm]), "b": jnp.array([[0.8 * norm]])}
  clipped, computed = optimizers.clip_by_global_norm(grads, limit)
  np.testing.assert_allclose(computed, norm, rtol=1e-5)
  np.testing.assert_allclose(
      optax.tree.norm(clipped), norm * min(1, limit / (norm + 1e-6)),
      rtol=1e-5)
  np.testing.assert_allclose(clipped["a"][0] / clipped["b"][0, 0], 0.75,
                             rtol=1e-5)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_optax_with_decayed_weights(nesterov):
  params = {"a": jnp.array([1.0, -2.0]), "b": jnp.array([[3.0]])}
  sgd = optimizers.sgd(0.1, momentum=0.9, weight_decay=0.01,
                       nesterov=nesterov)
  peer = optax.chain(optax.add_decayed_weights(0.01),
                     optax.sgd(0.1, 0.9, nesterov))
  states = [tx.init(params) for tx in (sgd, peer)]
  both = [params, params]
  for i in range(4):
    gradient = jax.tree.map(lambda x, i=i: x * 0.3 + i, params)
    for k, tx in enumerate((sgd, peer)):
      deltas, states[k] = tx.update(gradient, states[k], both[k])
      both[k] = optax.apply_updates(both[k], deltas)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5),
               *both)


def test_sgd_factors_and_schedule():
  params = {"trunk": jnp.ones(2), "head": jnp.ones(2), "still": jnp.ones(2)}
  tx = optimizers.sgd(
      lambda count: 0.1 / (count + 1), momentum=0.0, weight_decay=0.5,
      factors={"trunk": 1.0, "head": 10.0, "still": 0.0})
  state = tx.init(params)
  zeros = jax.tree.map(jnp.zeros_like, params)
  deltas, state = tx.update(zeros, state, params)
  np.testing.assert_allclose(deltas["trunk"], -0.05, rtol=1e-5)
  np.testing.assert_allclose(deltas["head"], -0.5, rtol=1e-5)
  assert not deltas["still"].any()
  deltas, state = tx.update(zeros, state, params)
  np.testing.assert_allclose(deltas["trunk"], -0.025, rtol=1e-5)

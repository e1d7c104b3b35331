"""L-BFGS by image: fewer steps, and no image knows of another."""

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax import inversion

RNG = np.random.default_rng(0)
# Each image has a bowl of its own, ten times as steep in some directions.
BOWLS = RNG.normal(size=(3, 12, 12)) * np.linspace(1, 10, 12) ** 0.5 / 4
START = {"latent": RNG.normal(size=(3, 2, 4)), "noise": (
    RNG.normal(size=(3, 2, 2, 1)),)}


def losses(bowls, params):
  x = jnp.concatenate([p.reshape(len(p), -1) for p in jax.tree.leaves(params)],
                      1)
  x = jnp.einsum("nij,nj->ni", bowls, x - 1)
  value = jnp.sum(x ** 2 + 0.1 * x ** 4, 1)
  return jnp.where(value < 1e4, value, jnp.nan)


def search(count, rows=slice(None), disturb=None, **options):
  """([count, N] losses, parameters): those before each step."""
  bowls, params = jax.tree.map(
      lambda x: jnp.asarray(x[rows], jnp.float32), (BOWLS, START))
  tool = inversion.lbfgs(**options)

  @jax.jit
  def step(params, state):
    def total(p):
      values = losses(bowls, p)
      return values.sum(), values
    grads, values = jax.grad(total, has_aux=True)(params)
    updates, state = tool.update(grads, state, params, value=values)
    return jax.tree.map(jnp.add, params, updates), state, values

  history, state = [], tool.init(params)
  for i in range(count):
    if disturb:
      params = disturb(i, params)
    params, state, values = step(params, state)
    history.append(values)
  return np.array(history), params


def test_reaches_the_bottom_in_few_steps():
  history, _ = search(40)
  assert (history.min(0) < 1e-4 * history[0]).all()


def test_first_step_has_the_rate_in_every_leaf():
  _, params = search(1, rate=0.03)
  for old, new in zip(*map(jax.tree.leaves, (START, params)), strict=True):
    moved = np.sqrt(np.mean((new - old) ** 2, tuple(range(1, old.ndim))))
    np.testing.assert_allclose(moved, 0.03, rtol=1e-4)


def test_images_are_searched_separately():
  together, alone = search(12)[1], search(12, slice(2, 3))[1]
  for a, b in zip(*map(jax.tree.leaves, (together, alone)), strict=True):
    np.testing.assert_allclose(a[2:], b, rtol=1e-3, atol=1e-4)


def test_a_step_that_makes_it_worse_is_taken_back():
  def disturb(i, params):
    return jax.tree.map(lambda x: x.at[0].add(1.0), params) if i == 8 else (
        params)

  plain, (history, _) = search(9)[0], search(12, disturb=disturb)
  assert history[8, 0] > 2 * history[7, 0]
  # The next is tried from where it was, and image 1 has not noticed.
  assert history[9, 0] < 1.5 * history[:8, 0].min()
  np.testing.assert_allclose(history[:9, 1], plain[:, 1], rtol=1e-3)


def test_what_is_not_a_number_is_taken_back():
  def disturb(i, params):
    return jax.tree.map(lambda x: x.at[0].add(99.0), params) if i == 5 else (
        params)

  history, params = search(20, disturb=disturb)
  assert np.isnan(history[5, 0])
  assert np.isfinite(history[6:]).all()
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(params))

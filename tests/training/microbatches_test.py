"""Gradients by parts: equal to the whole batch's, strided, with any axes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.training import microbatches


def loss_fn(params, data):
  x, rngs = data
  y = x @ params["w"] + rngs["noise"].T @ params["v"] + rngs["shift"]
  return jnp.mean(y ** 2), {"mean": y.mean(), "first": x[0, 0]}


@pytest.fixture(scope="module")
def case():
  rng = np.random.default_rng(0)
  normal = lambda *s: jnp.asarray(rng.normal(size=s), jnp.float32)
  params = {"w": normal(3, 2), "v": normal(5, 2)}
  data = (normal(12, 3), {"noise": normal(5, 12), "shift": normal(2),
                          "none": ()})
  return params, data, (0, {"noise": 1, "shift": None, "none": 0})


@pytest.mark.parametrize("parts", [1, 2, 3, 12])
def test_equals_the_whole_batch(case, parts):
  params, data, axes = case
  expected, aux = jax.grad(loss_fn, has_aux=True)(params, data)
  actual, actual_aux = jax.jit(lambda *x: microbatches.grad(
      loss_fn, parts)(*x, axes))(params, data)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5),
               actual, expected)
  np.testing.assert_allclose(actual_aux["mean"], aux["mean"], rtol=1e-5)
  # Part k begins with image k.
  np.testing.assert_allclose(
      actual_aux["first"], data[0][:parts, 0].mean(), rtol=1e-5)


def test_only_one_part_is_in_memory(case):
  params, _, _ = case
  x = jnp.ones((4096, 3))

  def wide(params, x):
    return jnp.mean(jnp.tanh(x @ params["w"] @ jnp.ones((2, 256)))), {}

  def temporaries(parts):
    function = lambda p, x: microbatches.grad(wide, parts)(p, x)
    return jax.jit(function).lower(params, x).compile().memory_analysis(
        ).temp_size_in_bytes

  assert temporaries(8) < 0.3 * temporaries(1)


def test_parts_that_do_not_divide():
  microbatches.check(8, 4, "config.gan.batch_size")
  for parts in (3, 0):
    with pytest.raises(ValueError, match=rf"gan.batch_size = 8 .* = {parts} "):
      microbatches.check(8, parts, "config.gan.batch_size")

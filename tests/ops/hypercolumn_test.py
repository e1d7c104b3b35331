"""Hypercolumns: the fused convolution is that of the stack, and resizing."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.ops import conv
from semseg_jax.ops import hypercolumn


def maps_of(sizes, channels=3, seed=0):
  keys = jax.random.split(jax.random.key(seed), len(sizes))
  return tuple(jax.random.normal(k, (2, *s, channels + i))
               for i, (k, s) in enumerate(zip(keys, sizes, strict=True)))


def by_definition(maps, kernel, size, method):
  return conv.conv2d(hypercolumn.stack(maps, size, method), kernel,
                     padding=kernel.shape[0] // 2)


@settings(max_examples=6, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(2, 9)), min_size=1,
             max_size=4),
    st.tuples(st.integers(2, 8), st.integers(2, 8)), st.sampled_from([1, 3, 5]),
    st.sampled_from(hypercolumn.METHODS))
def test_convolving_before_resizing_is_exact(sizes, size, k, method):
  maps = maps_of(sizes)
  channels = sum(m.shape[-1] for m in maps)
  kernel = jax.random.normal(jax.random.key(1), (k, k, channels, 4))
  convolved = hypercolumn.convolve(maps, kernel, size, method)
  np.testing.assert_allclose(
      convolved, by_definition(maps, kernel, size, method),
      rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("k", [1, 3])
def test_gradients_agree(k):
  maps = maps_of([(2, 2), (4, 4), (8, 8), (16, 16)])
  channels = sum(m.shape[-1] for m in maps)
  kernel = jax.random.normal(jax.random.key(1), (k, k, channels, 4))

  def gradients(function):
    loss = lambda maps, kernel: jnp.sum(jnp.sin(
        function(maps, kernel, (8, 8), "aligned")))
    return jax.jit(jax.grad(loss, (0, 1)))(maps, kernel)

  for a, b in zip(jax.tree.leaves(gradients(hypercolumn.convolve)),
                  jax.tree.leaves(gradients(by_definition)), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_resizing():
  x = jnp.arange(4.0).reshape(1, 2, 2, 1)
  aligned = hypercolumn.resize(x, (3, 3), "aligned")[0, ..., 0]
  np.testing.assert_allclose(
      aligned, [[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]], atol=1e-6)
  nearest = hypercolumn.resize(x, (4, 4), "nearest")[0, ..., 0]
  np.testing.assert_array_equal(
      nearest, np.arange(4.0).reshape(2, 2).repeat(2, 0).repeat(2, 1))
  # Larger maps are averaged, also where cells overlap two pixels.
  area = hypercolumn.resize(jnp.arange(6.0).reshape(1, 6, 1, 1), (2, 1),
                            "aligned")
  np.testing.assert_allclose(area.ravel(), [1, 4])
  odd = hypercolumn.resize(jnp.arange(5.0).reshape(1, 5, 1, 1), (2, 1),
                           "aligned")
  np.testing.assert_allclose(odd.ravel(), [1, 3])


def test_mistakes_are_named():
  maps = maps_of([(4, 4)])
  with pytest.raises(ValueError, match="3 channels, the kernel takes 5"):
    hypercolumn.convolve(maps, jnp.zeros((1, 1, 5, 2)), (4, 4), "aligned")
  with pytest.raises(ValueError, match="'cubic'; use one of"):
    hypercolumn.resize(maps[0], (8, 8), "cubic")

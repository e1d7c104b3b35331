"""LPIPS: properties of a distance, cached features, gray images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.models import perceptual

_WIDTHS = {"vgg": (4,) * 13, "alex": (4,) * 5}


@pytest.fixture(scope="module", params=list(_WIDTHS))
def network(request):
  module = perceptual.LPIPS(request.param, _WIDTHS[request.param])
  image = jnp.zeros((1, 32, 32, 3))
  return module, jax.jit(module.init)(jax.random.key(0), image, image)


def _images(seed, channels=3):
  return jax.random.uniform(
      jax.random.key(seed), (2, 32, 32, channels), minval=-1, maxval=1)


def test_is_a_distance_and_may_be_cached(network):
  module, variables = network
  a, b = _images(1), _images(2)
  distance = jax.jit(module.apply)
  distances = distance(variables, a, b)
  assert distances.shape == (2,)
  assert (distances > 0).all()
  np.testing.assert_allclose(distances, distance(variables, b, a), rtol=1e-6)
  # Two compiled copies of the same network may round differently.
  np.testing.assert_allclose(distance(variables, a, a), [0, 0], atol=1e-12)
  features = jax.jit(lambda x: module.apply(variables, x, method="features"))
  cached = module.apply(
      variables, features(a), features(b), method="distance")
  np.testing.assert_allclose(cached, distances, rtol=1e-5)
  parts = module.apply(
      variables, features(a), features(b), method="layer_distances")
  assert parts.shape == (2, 5)
  np.testing.assert_allclose(parts.sum(-1), distances, rtol=1e-5)


def test_grey_images_count_as_three_equal_channels(network):
  module, variables = network
  a, b = _images(1, 1), _images(2, 1)
  distance = jax.jit(module.apply)
  np.testing.assert_allclose(
      distance(variables, a, b),
      distance(variables, a.repeat(3, -1), b.repeat(3, -1)), rtol=1e-6)


def test_gradient_is_finite_where_all_channels_are_zero(network):
  module, variables = network
  dead = jax.tree.map(jnp.zeros_like, variables)
  dead["params"]["lin_0"] += 1
  a, b = _images(1), _images(2)
  gradient = jax.jit(jax.grad(lambda x: module.apply(dead, x, b).sum()))(a)
  np.testing.assert_array_equal(gradient, jnp.zeros_like(a))


def test_unknown_net_is_an_error():
  with pytest.raises(ValueError, match="squeeze"):
    jax.eval_shape(perceptual.LPIPS("squeeze").init, jax.random.key(0),
                   _images(1), _images(2))

"""Which perceptual distance a config gets, and what EfficientNet's says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.interop import pretrained
from semseg_jax.methods.common import perceptual


@pytest.fixture(scope="module")
def weights():
  try:
    return pretrained.variables("efficientnet_lite0", {})
  except FileNotFoundError as e:
    pytest.skip(str(e))


@pytest.mark.slow
def test_distance_in_pretrained_features(toy_config, weights):
  del weights  # skips where there are none
  config = toy_config(**{
      "perceptual.kind": "efficientnet", "perceptual.feature_size": 48})
  made = perceptual.make(config, "unused", "test")
  assert made.name == "efficientnet_lite0"
  variables = made.load()
  a, b, noise = (
      jax.random.uniform(key, (2, 16, 16, 1), minval=-1, maxval=1)
      for key in jax.random.split(jax.random.key(0), 3))

  @jax.jit
  def run(a, b):
    distance = lambda a, b: made.distance(
        variables, made.features(variables, a), made.features(variables, b))
    near = distance(a, a + 0.01 * noise)
    return distance(a, a), near, distance(a, b), jax.grad(
        lambda a: distance(a, b).sum())(a)

  same, near, far, gradient = run(a, b)
  np.testing.assert_array_equal(same, 0.0)
  assert (near < far).all()
  assert far.shape == (2,)
  # Squared differences of vectors of length 1.
  assert (far <= 4).all()
  assert np.isfinite(gradient).all()
  assert jnp.abs(gradient).max() > 0


def test_nothing_is_read_for_shapes_alone(toy_config):
  config = toy_config(**{"perceptual.kind": "efficientnet"})
  config.pretrained.efficientnet_lite0 = "/no/such/file"
  leaf = jax.tree.leaves(perceptual.make(config, None, "test").load())[0]
  assert isinstance(leaf, jax.ShapeDtypeStruct)


@pytest.mark.parametrize(("changes", "words"), [
    ({"perceptual.kind": "vgg"}, "config.perceptual.kind"),
    ({"perceptual.kind": "lpips_vgg"}, "config.perceptual.weights"),
    ({"perceptual.kind": "efficientnet", "perceptual.backbone": "vgg"},
     "config.perceptual.backbone"),
])
def test_mistakes_name_their_field(toy_config, changes, words):
  with pytest.raises(ValueError, match=words):
    perceptual.make(toy_config(**changes), None, "test")


def test_run_without_any_file_uses_its_discriminator(toy_config):
  assert perceptual.make(toy_config(), None, "test").name == "dr_features"

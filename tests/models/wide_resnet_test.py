"""Wide ResNet-38: sizes, pre-activation, dropout, gradients."""

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.models import wide_resnet


def _network(**options):
  module = wide_resnet.WideResNet38(width=1, blocks=(1,) * 6, **options)
  image = jax.random.normal(jax.random.key(0), (3, 33, 22, 3))
  return module, image, jax.jit(module.init)(jax.random.key(1), image)


def test_training_and_dropout():
  module, image, variables = _network()

  @jax.jit
  def train(variables, key):
    def loss(params):
      (x, maps), changed = module.apply(
          {**variables, "params": params}, image, train=True,
          mutable=["batch_stats"], rngs={"dropout": key})
      return jnp.square(x - 1).mean(), (x, maps, changed)

    return jax.grad(loss, has_aux=True)(variables["params"])

  grads, (x, maps, changed) = train(variables, jax.random.key(0))
  for path, g in jax.tree_util.tree_leaves_with_path(grads):
    assert np.isfinite(g).all(), path
    assert np.abs(g).max() > 0, path
  for path, leaf in jax.tree_util.tree_leaves_with_path(changed):
    if path[-1].key == "count":
      assert leaf == 1, path
  _, (other, other_maps, _) = train(variables, jax.random.key(1))
  np.testing.assert_array_equal(maps["mod5"], other_maps["mod5"])
  assert np.abs(x - other).max() > 0

"""Wide ResNet-38: dropout."""

import jax
import numpy as np

from semseg_jax.models import wide_resnet


def test_dropout_begins_after_the_fifth_module():
  module = wide_resnet.WideResNet38(width=1, blocks=(1,) * 6)
  image = jax.random.normal(jax.random.key(0), (3, 33, 22, 3))
  variables = jax.jit(module.init)(jax.random.key(1), image)
  train = jax.jit(lambda key: module.apply(
      variables, image, train=True, mutable=["batch_stats"],
      rngs={"dropout": key})[0])
  (x, maps), (other, other_maps) = map(train, jax.random.split(
      jax.random.key(2)))
  np.testing.assert_array_equal(maps["mod5"], other_maps["mod5"])
  assert np.abs(x - other).max() > 0

"""The pSp encoder at narrow widths: shapes, mean, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.models import psp_encoder

NARROW = dict(widths=(2, 3, 4, 6), units=(1, 2, 1, 1), style_dim=5)


def variables_of(module, size=32, classes=3):
  return jax.jit(module.init)(
      jax.random.key(0), jnp.zeros((1, size, size, classes)))


@pytest.fixture(scope="module")
def narrow():
  module = psp_encoder.GradualStyleEncoder(num_ws=8, **NARROW)
  return module, variables_of(module)


def test_maps_and_codes_follow_the_sizes(narrow):
  module, variables = narrow
  x = jax.random.normal(jax.random.key(1), (2, 32, 32, 3))
  maps = jax.jit(
      lambda v, x: module.apply(v, x, method="features"))(variables, x)
  assert [m.shape for m in maps["pyramid"]] == [
      (2, 2, 2, 6), (2, 4, 4, 6), (2, 8, 8, 6)]
  assert maps["unit0"].shape == (2, 16, 16, 2)
  latents = jax.jit(module.apply)(variables, x)
  assert latents.shape == (2, 8, 5)
  # Three coarse heads, four middle ones, one fine one, to a single cell each.
  convs = [sum(k.startswith("conv") for k in variables["params"][f"heads_{i}"])
           for i in range(8)]
  assert convs == [1, 1, 1, 2, 2, 2, 2, 3]


def test_mean_is_added(narrow):
  module, variables = narrow
  x = jax.random.normal(jax.random.key(1), (1, 32, 32, 3))
  mean = jnp.arange(5.0)
  apply = jax.jit(module.apply)
  np.testing.assert_allclose(
      apply({**variables, "mean": {"latents": mean}}, x),
      apply(variables, x) + mean, rtol=1e-5, atol=1e-6)


def test_other_sizes_are_refused(narrow):
  module, variables = narrow
  with pytest.raises(ValueError, match="multiple of 16"):
    module.apply(variables, jnp.zeros((1, 24, 24, 3)))

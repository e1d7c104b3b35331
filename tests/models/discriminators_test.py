import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.models import discriminators
from semseg_jax.models import spectral_conv

KEY = jax.random.key(0)


def random_variables(module, *args, **kwargs):
  """Random variables; compiling the initializers would take longer."""
  shapes = jax.eval_shape(lambda: module.init(KEY, *args, **kwargs))
  rng = np.random.default_rng(0)
  return jax.tree.map(
      lambda s: rng.normal(size=s.shape).astype(np.float32), shapes)


@pytest.mark.parametrize(("n", "group"), [(1, 1), (3, 3), (4, 4), (8, 4)])
def test_minibatch_stddev(n, group):
  x = np.random.default_rng(0).normal(size=(n, 2, 2, 3)).astype(np.float32)
  got = np.asarray(discriminators.minibatch_stddev(jnp.asarray(x)))
  assert got.shape == (n, 2, 2, 1)
  for i in range(n):
    peers = x[i % (n // group)::n // group]
    expected = np.sqrt(peers.var(0) + 1e-8).mean()
    np.testing.assert_allclose(got[i], expected, rtol=1e-5)


def test_minibatch_stddev_rejects_uneven_batches():
  with pytest.raises(ValueError, match="multiple of 4, got 6"):
    discriminators.minibatch_stddev(jnp.zeros((6, 2, 2, 1)))


def test_image_discriminator_rejects_other_images():
  module = discriminators.ImageDiscriminator(8, max_channels=4)
  with pytest.raises(ValueError, match="images must be 8 px"):
    module.init(KEY, jnp.zeros((1, 16, 16, 3)))
  with pytest.raises(ValueError, match="must have 3 channels"):
    module.init(KEY, jnp.zeros((1, 8, 8, 1)))


@pytest.fixture(scope="module")
def patch():
  module = discriminators.PatchDiscriminator(width=4)
  x = jax.random.normal(KEY, (2, 32, 32, 5))
  return module, random_variables(module, x, update_stats=False), x


@functools.cache
def jitted(module):
  return jax.jit(lambda v, x: module.apply(v, x, update_stats=False))


def maps_of(module, variables, x):
  return jitted(module)(variables, x)


def sizes(n):
  out = []
  for stride in (2, 2, 2, 1, 1):
    n = n // stride + 1
    out.append(n)
  return out


@pytest.mark.parametrize("size", [16, 32, 33])
def test_patch_maps(patch, size):
  module, variables, _ = patch
  scales = jax.eval_shape(
      lambda: module.apply(
          variables, jnp.zeros((2, size, size, 5)), update_stats=False))
  assert len(scales) == 3
  for maps in scales:
    assert [m.shape for m in maps] == [
        (2, n, n, c)
        for n, c in zip(sizes(size), (4, 8, 16, 32, 1), strict=True)]
    size = (size + 1) // 2


def test_statistics_move_only_when_asked(patch):
  module, variables, x = patch
  run = lambda update: jax.jit(lambda: module.apply(
      variables, x, update_stats=update, mutable=["spectral"]))()[1]["spectral"]
  same = jax.tree.map(np.array_equal, run(False), variables["spectral"])
  assert jax.tree.all(same)
  moved = jax.tree.map(np.array_equal, run(True), variables["spectral"])
  assert not any(jax.tree.leaves(moved))


def test_power_iteration_finds_the_largest_singular_value():
  module = spectral_conv.SpectralConv(6, stride=1)
  x = jax.random.normal(KEY, (1, 5, 5, 3))
  variables = module.init(KEY, x, False)
  step = jax.jit(lambda v: {**v, **module.apply(
      v, x, True, mutable=["spectral"])[1]})
  for _ in range(60):
    variables = step(variables)
  kernel = np.asarray(variables["params"]["kernel"])
  largest = np.linalg.svd(kernel.reshape(-1, 6))[1][0]
  u, v = variables["spectral"]["u"], variables["spectral"]["v"]
  np.testing.assert_allclose(
      np.einsum("hwio,hwi,o->", kernel, v, u), largest, rtol=1e-4)
  scaled = {**variables, "params": {"kernel": 10 * kernel}}
  np.testing.assert_allclose(
      module.apply(scaled, x, False), module.apply(variables, x, False),
      rtol=1e-3, atol=1e-5)


def test_score_maps_alone(patch):
  module, variables, x = patch
  full = maps_of(module, variables, x)
  alone = maps_of(module.clone(all_maps=False), variables, x)
  assert [len(maps) for maps in alone] == [1, 1, 1]
  for a, b in zip(full, alone, strict=True):
    np.testing.assert_allclose(a[-1], b[0], atol=1e-5)

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.models import layers
from semseg_jax.models import stylegan2

SIZE, DIM = 16, 8


def tiny(**kwargs):
  return stylegan2.Generator(
      SIZE, style_dim=DIM, mlp_layers=2, max_channels=8,
      **{"label_channels": 3, **kwargs})


@pytest.fixture(scope="module")
def initialized():
  module = tiny()
  z = jax.random.normal(jax.random.key(1), (3, DIM))
  shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), z))
  rng = np.random.default_rng(0)  # Noise strengths and biases are not 0.
  variables = jax.tree.map(
      lambda s: rng.normal(size=s.shape).astype(np.float32), shapes)
  return module, variables, z


@functools.cache
def jitted(module):
  return jax.jit(module.apply)


def run(module, *args):
  return jitted(module)(*args)


def test_initial_values():
  key, x = jax.random.key(0), jnp.zeros((1, 4, 4, 8))
  dense = layers.EqualDense(16, lr_multiplier=0.01).init(key, x)["params"]
  np.testing.assert_allclose(  # Divided by the learning-rate multiplier.
      np.std(dense["kernel"]), 100.0, rtol=0.3)
  conv = jax.jit(stylegan2.StyledConv(8).init)(
      key, x, x[:, 0, 0], x[..., :1])["params"]
  assert conv["noise_strength"] == 0
  np.testing.assert_array_equal(conv["style"]["bias"], 1.0)
  np.testing.assert_allclose(np.std(conv["kernel"]), 1.0, rtol=0.2)


@pytest.mark.parametrize(("size", "latents"), [(8, 4), (64, 10), (256, 14),
                                               (1024, 18)])
def test_latents_and_noise_maps(size, latents):
  module = stylegan2.Generator(size)
  assert module.num_ws == latents
  assert len(module.noise_shapes) == latents - 1
  assert module.noise_shapes[0] == (4, 4)
  assert module.noise_shapes[-2:] == ((size, size),) * 2


def test_channel_table():
  table = dict(stylegan2.channel_table(1024))
  assert table == {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256,
                   256: 128, 512: 64, 1024: 32}
  assert dict(stylegan2.channel_table(128, 0.5, 96)) == {
      4: 96, 8: 96, 16: 96, 32: 96, 64: 96, 128: 64}


@pytest.mark.parametrize("size", [4, 20, 0])
def test_impossible_sizes_are_errors(size):
  with pytest.raises(ValueError, match="power of two"):
    stylegan2.Generator(size).init(jax.random.key(0), jnp.zeros((1, 512)))


def test_label_branch_does_not_touch_the_image(initialized):
  module, variables, z = initialized
  params = {k: v for k, v in variables["params"].items()
            if not k.startswith("label")}
  plain = tiny(label_channels=0)
  sample, features = run(plain, {**variables, "params": params}, z)
  assert sample.logits is None
  assert not [name for name in features if name.startswith("label")]
  np.testing.assert_allclose(
      sample.image, run(module, variables, z)[0].image, atol=1e-5)


def test_samples_do_not_see_each_other(initialized):
  module, variables, z = initialized
  noise = stylegan2.random_noise(jax.random.key(2), 3, module.noise_shapes)
  apply = lambda *args: run(module, *args)
  order = np.array([2, 0, 1])
  np.testing.assert_allclose(
      apply(variables, z[order], tuple(m[order] for m in noise))[0].image,
      apply(variables, z, noise)[0].image[order], atol=1e-5)


def test_noise_maps(initialized):
  module, variables, z = initialized
  apply = lambda *args: run(module, *args)
  constant = tuple(
      variables["noise"][f"noise{i}"] for i in range(len(module.noise_shapes)))
  given = apply({"params": variables["params"]}, z, constant)[0].image
  np.testing.assert_allclose(given, apply(variables, z)[0].image, atol=1e-6)
  others = stylegan2.random_noise(jax.random.key(2), 3, module.noise_shapes)
  assert not np.allclose(given, apply(variables, z, others)[0].image)


def test_wrong_noise_and_latents_are_errors(initialized):
  module, variables, z = initialized
  with pytest.raises(ValueError, match="noise maps must be"):
    module.apply(variables, z, (jnp.zeros((1, 4, 4, 1)),))
  with pytest.raises(ValueError, match="collection 'noise'"):
    module.apply({"params": variables["params"]}, z)
  with pytest.raises(ValueError, match="latents must be"):
    module.apply(variables, jnp.zeros((1, 3, DIM)), method="synthesize")


def test_each_latent_feeds_its_layers(initialized):
  # Latent 2 j + 3 reaches no styled convolution of resolution 2^(j+3) or below.
  module, variables, z = initialized
  render = jax.jit(
      lambda c: module.apply(variables, c, method="synthesize")[1])
  latents = stylegan2.broadcast_latents(z, module.num_ws)
  before = render(latents)
  layers = ["conv4", "image4 conv8_up", "conv8", "image8 conv16_up", "conv16",
            "image16"]
  reached = set(before)
  for index, names in enumerate(layers):
    after = render(latents.at[:, index].add(1.0))
    changed = {k for k in before if not np.array_equal(before[k], after[k])}
    assert changed <= reached
    for name in names.split():
      assert name in changed
      if name.startswith("conv"):
        reached.discard(name)


def test_helpers_of_latents():
  w1, w2 = jnp.zeros((2, 3)), jnp.ones((2, 3))
  mix = jax.jit(lambda i: stylegan2.mix_latents(w1, w2, i, 4))
  np.testing.assert_array_equal(mix(1)[:, :, 0], [[0, 1, 1, 1]] * 2)
  np.testing.assert_array_equal(mix(3)[:, :, 0], [[0, 0, 0, 1]] * 2)
  assert mix._cache_size() == 1
  np.testing.assert_array_equal(
      stylegan2.mix_latents(w1, w2, jnp.array([0, 4]), 4)[:, :, 0],
      [[1] * 4, [0] * 4])
  np.testing.assert_allclose(
      stylegan2.truncate(jnp.full((2, 4, 3), 3.0), jnp.ones(3), 0.5), 2.0)

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.ops import gan_losses


def scores(*values):
  return [[jnp.full((1, 2, 2, 1), float(v))] for v in values]


def test_hinge_counts_each_scale_once():
  real = [jnp.full((2, 4, 4, 1), 3.0), jnp.full((2, 1, 1, 1), -1.0)]
  fake = [jnp.full((2, 4, 4, 1), 0.5), jnp.full((2, 1, 1, 1), -2.0)]
  np.testing.assert_allclose(
      gan_losses.hinge_discriminator(real, fake), (0 + 2) + (1.5 + 0))
  np.testing.assert_allclose(gan_losses.hinge_generator(fake), -0.5 + 2)


def test_unknown_mode_is_an_error():
  with pytest.raises(ValueError, match="unknown mode 'foo'"):
    gan_losses.patch_discriminator_loss(scores(0), True, "foo")
  with pytest.raises(ValueError, match="unknown mode 'foo'"):
    gan_losses.patch_generator_loss(scores(0), "foo")


def test_feature_matching_leaves_out_scores_and_real_gradients():
  fake = [[jnp.full((1, 2, 2, 3), 1.0), jnp.full((1, 2, 2, 1), 50.0)]] * 2
  real = [[jnp.full((1, 2, 2, 3), 4.0), jnp.full((1, 2, 2, 1), 9.0)]] * 2
  value = gan_losses.feature_matching(fake, real, 5.0)
  np.testing.assert_allclose(value, 5.0 * 3.0, rtol=1e-6)
  g_fake, g_real = jax.grad(gan_losses.feature_matching, (0, 1))(fake, real)
  assert jax.tree.all(jax.tree.map(lambda g: not jnp.any(g), g_real))
  assert jnp.all(g_fake[0][0] < 0)
  assert not jnp.any(g_fake[0][1])


def test_feature_matching_wants_equally_many_maps():
  with pytest.raises(ValueError, match="shorter|longer"):
    gan_losses.feature_matching(scores(1, 2), scores(1), 1.0)


def test_r1_of_a_known_score():
  x = jax.random.normal(jax.random.key(0), (3, 4, 4, 2))
  score = lambda x: jnp.sum(x**2) / 2  # Gradient x.
  np.testing.assert_allclose(
      gan_losses.r1_penalty(score, x), np.sum(np.square(x)) / 3, rtol=1e-5)


def test_path_length_of_a_linear_generator():
  n, l, d, size = 4, 3, 5, 6
  a, b, c = jax.random.split(jax.random.key(0), 3)
  matrix = jax.random.normal(a, (l, d, size, size, 2))
  noise = jax.random.normal(b, (n, size, size, 2))
  latents = jax.random.normal(c, (n, l, d))

  def penalty(scale, mean, decay):
    image = lambda c: scale * jnp.einsum("nld,ldhwc->nhwc", c, matrix)
    return gan_losses.path_length_penalty(image, latents, noise, mean, decay)

  jacobian = np.einsum("ldhwc,nhwc->nld", matrix, noise) / size
  expected = np.sqrt((jacobian**2).sum(2).mean(1))
  value, mean, lengths = penalty(1.0, 2.0, 0.25)
  np.testing.assert_allclose(lengths, expected, rtol=1e-5)
  np.testing.assert_allclose(
      mean, 2.0 + 0.25 * (expected.mean() - 2.0), rtol=1e-5)
  np.testing.assert_allclose(
      value, np.mean((expected - mean) ** 2), rtol=1e-4)
  # From mean 0 the penalty is quadratic in the scale, if and only if gradient
  # flows through the updated mean.
  value, slope = jax.value_and_grad(lambda s: penalty(s, 0.0, 0.25)[0])(3.0)
  np.testing.assert_allclose(slope, 2 * value / 3.0, rtol=1e-4)


def test_energy_distance_is_that_of_pairs():
  rng = np.random.default_rng(0)
  x, y = (rng.normal(m, 1, (n, 3)).astype(np.float32)
          for m, n in ((0, 5), (1, 4)))
  gap = lambda a, b: np.linalg.norm(a[:, None] - b[None], axis=-1)
  others = lambda a: gap(a, a)[~np.eye(len(a), dtype=bool)].mean()
  np.testing.assert_allclose(
      gan_losses.energy_distance(x, y),
      2 * gap(x, y).mean() - others(x) - others(y), rtol=2e-3)
  gradient = jax.grad(gan_losses.energy_distance)(x, y)
  assert np.isfinite(gradient).all()
  # Downhill is towards the others, whose mean is larger.
  assert gradient.mean() < 0

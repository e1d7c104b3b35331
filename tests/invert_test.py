"""Inversion of NumPy images with a generator function."""

import numpy as np
import pytest

import semseg_jax


def test_latents_of_a_linear_generator_come_back():
  rng = np.random.default_rng(0)
  matrix = rng.normal(0, 0.2, (3, 4 * 4 * 3)).astype(np.float32)

  def generate(matrix, latents, noise):
    assert noise == ()
    return (latents[:, 0] @ matrix).reshape(-1, 4, 4, 3)

  latents = rng.uniform(-1, 1, (5, 3)).astype(np.float32)
  images = np.asarray(
      (generate(matrix, latents[:, None], ()).clip(-1, 1) + 1) * 127.5
  ).round().astype(np.uint8)
  result = semseg_jax.invert(
      images, generate, matrix, np.zeros(3), steps=150, batch_size=2)
  assert np.abs(result.images.astype(int) - images).max() < 16
  assert result.latents.shape == (5, 1, 3)
  np.testing.assert_allclose(result.latents[:, 0], latents, atol=0.15)


def test_floats_are_refused():
  with pytest.raises(TypeError, match="uint8"):
    semseg_jax.invert(np.zeros((1, 4, 4, 3)), None, {}, np.zeros(3))


@pytest.mark.parametrize(("shape", "options", "message"), [
    ((2, 4, 4, 1), {}, r"\(2, 4, 4, 1\), but generate .* \(4, 4, 3\)"),
    ((2, 8, 8, 3), {}, r"\(2, 8, 8, 3\), but generate .* \(4, 4, 3\)"),
    ((0, 4, 4, 3), {}, "0 images"),
    ((2, 4, 4, 3), {"batch_size": 0}, "batch_size 0"),
    ((2, 4, 4, 3), {"seed": -1}, "seed is -1"),
    ((2, 4, 4, 3), {"seed": 2**32}, "seed is 4294967296"),
    ((4, 4, 3), {}, r"give \[N, S, S, C\]")])
def test_what_does_not_fit_is_refused(shape, options, message):
  generate = lambda matrix, latents, noise: (
      latents[:, 0] @ matrix).reshape(-1, 4, 4, 3)
  with pytest.raises(ValueError, match=message):
    semseg_jax.invert(np.zeros(shape, np.uint8), generate, np.zeros((3, 48)),
                      np.zeros(3), **options)


@pytest.mark.parametrize("wrong", ["mean", "matrix", "rate"])
def test_a_search_that_diverged_is_said(wrong):
  generate = lambda matrix, latents, noise: (
      latents[:, 0] @ matrix).reshape(-1, 4, 4, 3)
  value = lambda name, shape: np.full(shape, np.nan if name == wrong else 1.0)
  with pytest.raises(FloatingPointError, match="not finite"):
    semseg_jax.invert(
        np.zeros((1, 4, 4, 3), np.uint8), generate, value("matrix", (3, 48)),
        value("mean", 3), steps=2, learning_rate=float(value("rate", ())))

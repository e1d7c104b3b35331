"""Moving images and maps by random transforms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.ops import affine

_STILL = dict(degrees=0.0, shift=0.0, scale=(1.0, 1.0), flip=0.0)


def rngs(**values):
  middle = dict.fromkeys(("angle", "shift_y", "shift_x", "scale", "flip"), 0.5)
  return {k: jnp.full(1, v, jnp.float32) for k, v in (middle | values).items()}


def moved(x, given, **options):
  at = affine.positions(given, *x.shape[1:3], **_STILL | options)
  return affine.read(x, at)


X = jax.random.normal(jax.random.key(0), (1, 6, 8, 2))


def test_middle_of_the_ranges_changes_nothing():
  image, inside = moved(X, rngs(), degrees=10.0, shift=0.5)
  np.testing.assert_allclose(image, X, atol=1e-6)
  assert inside.all()


def test_shift_by_whole_pixels():
  # A quarter of 8 pixels to the right.
  image, inside = moved(X, rngs(shift_x=1.0), shift=0.25)
  np.testing.assert_allclose(image[:, :, 2:], X[:, :, :-2], atol=1e-5)
  np.testing.assert_array_equal(inside[0, 0], [0, 0, 1, 1, 1, 1, 1, 1])


def test_mirror():
  image, _ = moved(X, rngs(flip=0.4), flip=0.5)
  np.testing.assert_allclose(image, X[:, :, ::-1], atol=1e-6)


@pytest.mark.parametrize("square", [5, 6])
def test_quarter_turn(square):
  x = X[:, :square, :square]
  image, inside = moved(x, rngs(angle=1.0), degrees=90.0)
  np.testing.assert_allclose(image[0], np.rot90(x[0]), atol=1e-4)
  assert inside.all()


def test_magnification_keeps_the_centre():
  x = X[:, :5, :5]
  image, _ = moved(x, rngs(scale=1.0), scale=(0.5, 2.0))
  np.testing.assert_allclose(image[0, 2, 2], x[0, 2, 2], atol=1e-6)
  np.testing.assert_allclose(image[0, 0, 0], x[0, 1, 1], atol=1e-5)


def test_soft_labels_stay_probabilities():
  label = jax.nn.softmax(jax.random.normal(jax.random.key(1), (4, 9, 9, 3)))
  at = affine.positions(
      affine.affine_rngs(jax.random.key(2), 4), 9, 9, degrees=10.0, shift=0.5,
      scale=(0.5, 2.0), flip=0.5)
  soft, inside = affine.read(label, at)
  np.testing.assert_allclose(soft.sum(-1), 1.0, atol=1e-5)
  assert 0 < inside.mean() < 1

import jax
import numpy as np
import pytest

from semseg_jax.ops import noise


def _maps(n, sizes=(4, 8, 16, 32), seed=0):
  rng = np.random.default_rng(seed)
  return tuple(
      (1 + 2 * rng.normal(size=(n, s, s, 1))).astype(np.float32)
      for s in sizes)


def _by_hand(maps):
  """The definition with rolls, for one image's maps [h, w]."""
  total = 0.0
  for x in maps:
    x = x.astype(np.float64)
    while True:
      total += (x * np.roll(x, 1, 0)).mean() ** 2
      total += (x * np.roll(x, 1, 1)).mean() ** 2
      if len(x) <= 8:
        break
      x = x.reshape(len(x) // 2, 2, -1, 2).mean((1, 3))
  return total


def test_regulariser_is_each_images_own():
  maps = _maps(3)
  values = jax.jit(noise.noise_regulariser)(maps)
  expected = [_by_hand([m[i, ..., 0] for m in maps]) for i in range(3)]
  np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_gradient_stays_within_the_image():
  gradient = jax.grad(lambda m: noise.noise_regulariser(m)[1])(_maps(2))
  for g in gradient:
    assert not g[0].any()
    assert g[1].any()


def test_odd_map_is_an_error():
  with pytest.raises(ValueError, match="9"):
    noise.noise_regulariser((np.zeros((1, 9, 9, 1), np.float32),))

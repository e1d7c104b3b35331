import numpy as np
import pytest
import scipy.linalg

from semseg_jax.evaluation import distances


def _features(n, d, seed=0, mean=0.0, scale=1.0):
  return mean + scale * np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize("mean", [0.0, 1e3])
def test_moments(mean):
  x = _features(20, 4, mean=mean)
  moments = distances.moments(x)
  np.testing.assert_allclose(moments.mean, x.mean(0), rtol=1e-9, atol=1e-9)
  np.testing.assert_allclose(
      moments.covariance, np.cov(x, rowvar=False), rtol=1e-8, atol=1e-9)


def test_frechet_of_commuting_gaussians():
  a = distances.Moments(np.array([0, 1, 2]), np.diag([1.0, 4.0, 9.0]))
  b = distances.Moments(np.array([3, 1, 0]), np.diag([4.0, 4.0, 1.0]))
  # |difference of means|^2 + sum of (difference of deviations)^2.
  np.testing.assert_allclose(
      distances.frechet_distance(a, b), 13 + 1 + 0 + 4, rtol=1e-12)


@pytest.mark.parametrize("n", [5, 40])
def test_frechet_of_a_set_and_its_shift(n):
  # With n = 5 the covariance of 8 features is singular.
  x = _features(n, 8)
  a, b = distances.moments(x), distances.moments(x + 0.5)
  np.testing.assert_allclose(
      distances.frechet_distance(a, a), 0, atol=1e-6)
  np.testing.assert_allclose(
      distances.frechet_distance(a, b), 8 * 0.25, rtol=1e-6)


def test_frechet_by_the_matrix_root():
  a, b = (distances.moments(_features(50, 6, s, s, 1 + s)) for s in (0, 1))
  root = scipy.linalg.sqrtm(a.covariance @ b.covariance).real
  expected = (((a.mean - b.mean) ** 2).sum()
              + np.trace(a.covariance + b.covariance - 2 * root))
  distance = distances.frechet_distance(a, b)
  np.testing.assert_allclose(distance, expected, rtol=1e-9)
  np.testing.assert_allclose(distance, distances.frechet_distance(b, a))


def test_kernel_distance_by_definition():
  a, b = _features(7, 3), _features(7, 3, seed=1, mean=1)
  k = lambda x, y: (x @ y / 3 + 1) ** 3
  pairs = [(i, j) for i in range(7) for j in range(7) if i != j]
  expected = (
      np.mean([k(a[i], a[j]) + k(b[i], b[j]) for i, j in pairs])
      - 2 * np.mean([[k(x, y) for x in a] for y in b]))
  # A subset of all features is the set itself, in whatever order.
  mean, spread = distances.kernel_distance(a, b, subsets=3)
  np.testing.assert_allclose(mean, expected, rtol=1e-9)
  np.testing.assert_allclose(spread, 0, atol=1e-9)


def test_kernel_distance_is_unbiased_for_one_distribution():
  x = _features(4000, 4)
  mean, _ = distances.kernel_distance(
      x[:2000], x[2000:], subsets=50, subset_size=200)
  far, _ = distances.kernel_distance(
      x[:2000], x[2000:] + 0.3, subsets=50, subset_size=200)
  assert abs(mean) < 0.02 < far


def test_inception_score_of_sure_and_of_equal_classes():
  classes = 5
  sure = 1e3 * np.eye(classes)[np.arange(20) % classes]
  np.testing.assert_allclose(
      distances.inception_score(sure, splits=2), (classes, 0), atol=1e-9)
  np.testing.assert_allclose(
      distances.inception_score(np.zeros((20, classes))), (1, 0), atol=1e-9)


def test_inception_score_does_not_change_with_a_shift_of_logits():
  x = _features(30, 4)
  np.testing.assert_allclose(
      distances.inception_score(x + 1e4), distances.inception_score(x),
      rtol=1e-6)


def test_wrong_shapes_are_errors():
  with pytest.raises(ValueError, match="two or more"):
    distances.moments(np.zeros((1, 4)))
  with pytest.raises(ValueError, match=r"\(4,\)"):
    distances.moments(np.zeros(4))
  with pytest.raises(ValueError, match="one width"):
    distances.kernel_distance(np.zeros((4, 2)), np.zeros((4, 3)))
  with pytest.raises(ValueError, match="too few"):
    distances.kernel_distance(np.zeros((1, 2)), np.zeros((4, 2)))
  with pytest.raises(ValueError, match="splits"):
    distances.inception_score(np.zeros((4, 2)))

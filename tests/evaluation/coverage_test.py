"""Precision and recall of feature sets."""

import numpy as np
import pytest

from semseg_jax.evaluation import coverage


def _cloud(seed, n=300, d=4, spread=1.0, shift=0.0):
  rng = np.random.default_rng(seed)
  return rng.standard_normal((n, d)) * spread + shift


def test_same_distribution_is_precise_and_covered():
  precision, recall = coverage.precision_and_recall(_cloud(0), _cloud(1))
  assert precision > 0.8
  assert recall > 0.8


def test_collapse_costs_recall_alone():
  real = _cloud(0)
  one_mode = real[:1] + 0.01 * _cloud(1)
  precision, recall = coverage.precision_and_recall(real, one_mode)
  assert precision == 1.0
  assert recall < 0.05


def test_strangers_cost_precision_alone():
  real = _cloud(0, spread=0.1)
  fake = np.concatenate([_cloud(1, spread=0.1), _cloud(2, shift=50.0)])
  precision, recall = coverage.precision_and_recall(real, fake)
  assert 0.3 < precision < 0.5
  assert recall > 0.8


def test_against_definition_in_blocks(monkeypatch):
  """By hand, with every distance, also where blocks do not divide the rows."""
  monkeypatch.setattr(coverage, "_BLOCK", 7)
  real, fake = _cloud(0, 40, shift=1e4), _cloud(1, 31, shift=1e4 + 0.5)
  k = 2

  def share(points, centres):
    distance = lambda a, b: np.sqrt(np.square(a[:, None] - b[None]).sum(-1))
    radii = np.sort(distance(centres, centres), 1)[:, k]
    return (distance(points, centres) <= radii).any(1).mean()

  assert coverage.precision_and_recall(real, fake, k=k) == pytest.approx(
      (share(fake, real), share(real, fake)))


@pytest.mark.parametrize(("real", "fake", "words"), [
    (np.ones((9, 2)), np.ones((9, 3)), "one width"),
    (np.ones((3, 2)), np.ones((9, 2)), "more than k=3"),
])
def test_unusable_features(real, fake, words):
  with pytest.raises(ValueError, match=words):
    coverage.precision_and_recall(real, fake)

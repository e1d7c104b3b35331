from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
import scipy.stats

from semseg_jax.evaluation import summary

_NAMES = ("background", "thing")


def test_binary_scores_by_hand():
  confusion = np.array([[[5, 1], [2, 2]], [[6, 0], [0, 4]], [[9, 0], [0, 0]]])
  scores = summary.summarise(confusion, _NAMES)
  # The last image has no foreground, neither true nor predicted.
  np.testing.assert_allclose(scores["dice"], (4 / 7 + 1) / 2)
  np.testing.assert_allclose(scores["jaccard"], (2 / 5 + 1) / 2)
  np.testing.assert_allclose(scores["foreground_miou"], 6 / 9)
  np.testing.assert_allclose(scores["miou"], (20 / 23 + 6 / 9) / 2)
  np.testing.assert_allclose(scores["pixel_accuracy"], 26 / 29)
  assert scores["images"] == 3
  assert scores["confidence"] is None
  assert scores["dice_per_volume"] is None


def test_absent_class_is_none_and_left_out():
  confusion = np.zeros((1, 3, 3), int)
  confusion[0, 0, 0] = confusion[0, 1, 1] = 4
  scores = summary.summarise(confusion, ("a", "b", "c"))
  assert scores["per_class_iou"] == {"a": 1.0, "b": 1.0, "c": None}
  assert scores["miou"] == 1.0
  np.testing.assert_allclose(scores["miou_absent_zero"], 2 / 3)


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 12), st.integers(0, 999))
def test_confidence_correlates_as_scipy_says(count, seed):
  rng = np.random.default_rng(seed)
  confusion = rng.integers(1, 9, (count, 2, 2))
  confidence = rng.integers(0, 4, count).astype(float)  # with ties
  accuracy = confusion[:, [0, 1], [0, 1]].sum(1) / confusion.sum((1, 2))
  correlations = summary.summarise(
      confusion, _NAMES, confidence=confidence)["confidence"]
  if np.ptp(confidence) == 0 or np.ptp(accuracy) == 0:
    assert correlations["pearson"] is None
    return
  np.testing.assert_allclose(
      correlations["pearson"], scipy.stats.pearsonr(confidence, accuracy)[0],
      atol=1e-9)
  np.testing.assert_allclose(
      correlations["spearman"], scipy.stats.spearmanr(confidence, accuracy)[0],
      atol=1e-9)


def test_quality_falls_back_to_accuracy():
  confusion = np.array([[[5, 1], [2, 2]], [[9, 0], [0, 0]]])
  np.testing.assert_allclose(
      summary.image_quality(confusion, _NAMES), [2 / 5, 1])


def test_a_thing_as_class_0_counts_as_foreground():
  confusion = np.array([[[5, 1], [2, 2]]])  # IoU 5/8 and 2/5
  scores = summary.summarise(confusion, ("sky", "thing"), volumes=["a"])
  for name in ("foreground_miou", "jaccard"):
    np.testing.assert_allclose(scores[name], (5 / 8 + 2 / 5) / 2)
  for name in ("dice", "dice_per_volume"):
    np.testing.assert_allclose(scores[name], (10 / 13 + 4 / 7) / 2)
  np.testing.assert_allclose(
      summary.image_quality(confusion, ("sky", "thing")),
      [(5 / 8 + 2 / 5) / 2])


def test_correlation_of_a_constant_is_undefined():
  assert summary.correlation(np.ones(3), np.arange(3.0)) is None
  assert summary.correlation(np.ones(1), np.ones(1)) is None
  assert summary.correlation(
      np.arange(3.0), -2 * np.arange(3.0)) == pytest.approx(-1)

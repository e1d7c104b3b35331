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
  found = summary.summarise(confusion, _NAMES)
  # The last picture has no foreground, neither true nor predicted.
  np.testing.assert_allclose(found["dice"], (4 / 7 + 1) / 2)
  np.testing.assert_allclose(found["jaccard"], (2 / 5 + 1) / 2)
  np.testing.assert_allclose(found["foreground_miou"], 6 / 9)
  np.testing.assert_allclose(found["miou"], (20 / 23 + 6 / 9) / 2)
  np.testing.assert_allclose(found["pixel_accuracy"], 26 / 29)
  assert found["pictures"] == 3
  assert found["confidence"] is None
  assert found["dice_per_volume"] is None


def test_absent_class_is_none_and_left_out():
  confusion = np.zeros((1, 3, 3), int)
  confusion[0, 0, 0] = confusion[0, 1, 1] = 4
  found = summary.summarise(confusion, ("a", "b", "c"))
  assert found["per_class_iou"] == {"a": 1.0, "b": 1.0, "c": None}
  assert found["miou"] == 1.0
  np.testing.assert_allclose(found["miou_absent_zero"], 2 / 3)


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 12), st.integers(0, 999))
def test_confidence_correlates_as_scipy_says(count, seed):
  rng = np.random.default_rng(seed)
  confusion = rng.integers(1, 9, (count, 2, 2))
  confidence = rng.integers(0, 4, count).astype(float)  # with ties
  accuracy = confusion[:, [0, 1], [0, 1]].sum(1) / confusion.sum((1, 2))
  found = summary.summarise(
      confusion, _NAMES, confidence=confidence)["confidence"]
  if np.ptp(confidence) == 0 or np.ptp(accuracy) == 0:
    assert found["pearson"] is None
    return
  np.testing.assert_allclose(
      found["pearson"], scipy.stats.pearsonr(confidence, accuracy)[0],
      atol=1e-9)
  np.testing.assert_allclose(
      found["spearman"], scipy.stats.spearmanr(confidence, accuracy)[0],
      atol=1e-9)


def test_quality_falls_back_to_accuracy():
  confusion = np.array([[[5, 1], [2, 2]], [[9, 0], [0, 0]]])
  np.testing.assert_allclose(summary.picture_quality(confusion), [2 / 5, 1])


def test_correlation_of_a_constant_is_undefined():
  assert summary.correlation(np.ones(3), np.arange(3.0)) is None
  assert summary.correlation(np.ones(1), np.ones(1)) is None
  assert summary.correlation(
      np.arange(3.0), -2 * np.arange(3.0)) == pytest.approx(-1)

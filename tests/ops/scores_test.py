from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.ops import scores

_IGNORE = 255


def _random_labels(classes, seed, ignored=0.2, shape=(3, 6, 5)):
  rng = np.random.default_rng(seed)
  # Sampled from few classes now and then, so that some are absent.
  used = rng.integers(1, classes + 1)
  label = rng.integers(0, used, shape)
  prediction = rng.integers(0, used, shape)
  label[rng.random(shape) < ignored] = _IGNORE
  return label.astype(np.uint8), prediction.astype(np.int32)


def _brute(label, prediction, classes):
  counts = np.zeros((len(label), classes, classes), int)
  for n, y, x in np.ndindex(label.shape):
    if label[n, y, x] != _IGNORE:
      counts[n, label[n, y, x], prediction[n, y, x]] += 1
  return counts


_CASE = (st.integers(2, 7), st.integers(0, 999))


@settings(max_examples=40, deadline=None)
@given(*_CASE)
def test_confusion_by_counting(classes, seed):
  label, prediction = _random_labels(classes, seed)
  np.testing.assert_array_equal(
      scores.confusion_matrix(label, prediction, classes, _IGNORE),
      _brute(label, prediction, classes))


def test_confusion_under_jit_equals_numpy():
  label, prediction = _random_labels(5, seed=3)
  count = jax.jit(
      lambda a, b: scores.confusion_matrix(a, b, 5, _IGNORE))
  np.testing.assert_array_equal(
      count(jnp.asarray(label), jnp.asarray(prediction)),
      _brute(label, prediction, 5))


def test_confusion_of_one_image_and_of_stacks():
  label, prediction = _random_labels(4, seed=1)
  many = scores.confusion_matrix(label, prediction, 4, _IGNORE)
  one = scores.confusion_matrix(label[0], prediction[0], 4, _IGNORE)
  np.testing.assert_array_equal(many[0], one)
  nested = scores.confusion_matrix(
      label[None], prediction[None], 4, _IGNORE)
  np.testing.assert_array_equal(nested[0], many)


@settings(max_examples=30, deadline=None)
@given(*_CASE)
def test_what_is_predicted_on_ignored_pixels_does_not_count(classes, seed):
  label, prediction = _random_labels(classes, seed)
  other = np.where(label == _IGNORE, classes - 1 - prediction, prediction)
  np.testing.assert_array_equal(
      scores.confusion_matrix(label, prediction, classes, _IGNORE),
      scores.confusion_matrix(label, other, classes, _IGNORE))


def test_unexpected_class_is_named():
  label = np.array([[0, 7]])
  with pytest.raises(ValueError, match=r"\[7\].*ignore_index"):
    scores.confusion_matrix(label, np.zeros_like(label), 3, _IGNORE)


@settings(max_examples=40, deadline=None)
@given(*_CASE)
def test_dice_and_jaccard_identity(classes, seed):
  confusion = scores.confusion_matrix(
      *_random_labels(classes, seed), classes, _IGNORE)
  j = scores.iou(confusion)
  np.testing.assert_allclose(scores.dice(confusion), 2 * j / (1 + j))


def test_scores_by_hand():
  confusion = np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]])
  np.testing.assert_allclose(scores.iou(confusion), [3 / 6, 4 / 7, np.nan])
  np.testing.assert_allclose(scores.dice(confusion), [6 / 9, 8 / 11, np.nan])
  np.testing.assert_allclose(
      scores.mean_iou(confusion), (3 / 6 + 4 / 7) / 2)
  np.testing.assert_allclose(
      scores.mean_iou(confusion, absent="zero"), (3 / 6 + 4 / 7) / 3)
  np.testing.assert_allclose(scores.pixel_accuracy(confusion), 7 / 10)
  np.testing.assert_allclose(
      scores.foreground(scores.iou(confusion)), 4 / 7)


def test_absent_but_predicted_class_scores_zero():
  confusion = np.array([[3, 0, 1], [0, 0, 0], [0, 0, 0]])
  np.testing.assert_allclose(scores.iou(confusion), [3 / 4, np.nan, 0])
  np.testing.assert_allclose(scores.mean_iou(confusion), 3 / 8)


def test_nothing_counted_is_undefined():
  nothing = np.zeros((2, 3, 3), int)
  assert np.isnan(scores.mean_iou(nothing)).all()
  assert np.isnan(scores.pixel_accuracy(nothing)).all()


def test_unknown_convention_is_an_error():
  with pytest.raises(ValueError, match="exclude"):
    scores.mean_iou(np.eye(2), absent="skip")


@pytest.mark.parametrize("score", [
    scores.iou, scores.dice, scores.mean_iou, scores.pixel_accuracy])
def test_scores_under_jit_equal_numpy(score):
  confusion = scores.confusion_matrix(*_random_labels(6, seed=5), 6, _IGNORE)
  np.testing.assert_allclose(
      jax.jit(score)(jnp.asarray(confusion)), score(confusion), rtol=1e-6)


def test_volumes_add_up_their_slices():
  confusion = np.arange(16).reshape(4, 2, 2)
  ids, sums = scores.sum_by_volume(confusion, ["b", "a", "b", "a"])
  assert ids.tolist() == ["a", "b"]
  np.testing.assert_array_equal(sums[0], confusion[1] + confusion[3])
  np.testing.assert_array_equal(sums[1], confusion[0] + confusion[2])

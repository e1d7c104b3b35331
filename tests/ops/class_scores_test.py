"""Fusion's invariants; average precision and ROC on known answers."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import hypothesis.extra.numpy as hnp
import jax.numpy as jnp
import numpy as np

from semseg_jax.ops import class_scores
from semseg_jax.ops import image_ops

SCORES = hnp.arrays(np.float32, (2, 5), elements=st.floats(0, 1, width=32))


@settings(deadline=None)
@given(SCORES, st.floats(0, 0.99))
def test_removed_classes_never_win(scores, tau):
  logits = np.random.default_rng(0).normal(size=(2, 4, 6, 5)).astype(
      np.float32)
  present = class_scores.present(scores, tau)
  assert present.any(-1).all()
  fused = class_scores.fuse(logits, present)
  for size in ((4, 6), (9, 11)):
    label = image_ops.to_label(image_ops.resize_logits(fused, size))
    for row, allowed in zip(label, present, strict=True):
      assert set(np.unique(row)) <= set(np.flatnonzero(allowed))
  # What stays is as it was.
  np.testing.assert_array_equal(
      np.where(present[:, None, None], fused, 0),
      np.where(present[:, None, None], logits, 0))
  np.testing.assert_array_equal(
      class_scores.fuse(jnp.asarray(logits), present), fused)


def test_all_present_changes_nothing():
  logits = np.random.default_rng(0).normal(size=(2, 4, 6, 5)).astype(
      np.float32)
  present = class_scores.present(np.ones((2, 5)), 0.2)
  for multiply in (False, True):
    np.testing.assert_array_equal(
        class_scores.fuse(logits, present, multiply=multiply), logits)


def test_threshold_itself():
  scores = np.array([[0.25, 0.5]])
  assert class_scores.present(scores, 0.25).tolist() == [[False, True]]
  assert class_scores.present(scores, 0.25, official=True).all()


def test_multiplied_class_can_win():
  logits = np.full((1, 1, 1, 3), -1.0, np.float32)
  present = np.array([[True, False, True]])
  assert image_ops.to_label(
      class_scores.fuse(logits, present, multiply=True)) == 1
  assert image_ops.to_label(class_scores.fuse(logits, present)) == 0


def test_average_precision():
  scores = np.array([0.9, 0.8, 0.7, 0.6])[:, None]
  precision = class_scores.average_precision(
      scores, np.array([[1], [0], [1], [0]]))
  np.testing.assert_allclose(precision, [(1 + 2 / 3) / 2])
  assert np.isnan(class_scores.average_precision(
      scores, np.zeros((4, 1)))).all()
  # One threshold for equal scores, whatever their order.
  for truth in ([1, 0], [0, 1]):
    np.testing.assert_allclose(class_scores.average_precision(
        np.full((2, 1), 0.5), np.array(truth)[:, None]), [0.5])


def test_roc():
  scores = np.array([0.9, 0.8, 0.7, 0.6])
  assert class_scores.roc_area(scores, np.array([1, 1, 0, 0])) == 1
  assert class_scores.roc_area(scores, np.array([0, 0, 1, 1])) == 0
  for same in (0, 1):  # nothing to tell apart
    assert np.isnan(class_scores.roc_area(scores, np.full(4, same)))
  assert class_scores.roc_area(np.full(4, 0.5), np.array([0, 1, 0, 1])) == 0.5
  false, true = class_scores.roc_curve(scores, np.array([1, 0, 1, 0]))
  np.testing.assert_allclose(false, [0, 0, 0.5, 0.5, 1])
  np.testing.assert_allclose(true, [0, 0.5, 0.5, 1, 1])

"""Counts of many predictors: reused as long as nothing has changed."""

import numpy as np
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import sources
from semseg_jax.evaluation import counting
from semseg_jax.ops import scores

_SPEC = datasets.Spec("x", ("a", "b"), np.zeros((2, 3), np.uint8))


class _Stored(sources.InMemory):

  def facts(self):
    return {}


def test_corrected_masks_are_counted_anew(tmp_path):
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, (5, 6, 8, 3), np.uint8)
  labels = rng.integers(0, 2, (5, 6, 8)).astype(np.uint8)
  calls = []

  def predict(batch, indices):
    calls.append(indices.tolist())
    return {"bright": np.stack([0 * batch[..., 0], batch[..., 0]], -1).astype(
        np.float32)}

  def count():
    calls.clear()
    return counting.count(
        predict, _Stored(images, labels), spec=_SPEC, batch_size=2, size=8,
        out_dir=tmp_path, fingerprint="f")["bright"]

  first = count()
  assert calls == [[0, 1], [2, 3], [4, 4]]
  assert first.sum() == labels.size
  np.testing.assert_array_equal(count(), first)
  assert not calls
  labels[4] = 1 - labels[4]
  second = count()
  assert calls
  assert scores.pixel_accuracy(second) != scores.pixel_accuracy(first)


def test_logits_that_are_no_numbers_are_not_counted(tmp_path):
  source = _Stored(np.zeros((1, 6, 8, 3), np.uint8),
                   np.zeros((1, 6, 8), np.uint8))
  with pytest.raises(FloatingPointError, match="'bad'.*NaN"):
    counting.count(
        lambda images, _: {"bad": np.full((1, 8, 8, 2), np.nan)}, source,
        spec=_SPEC, batch_size=1, size=8, out_dir=tmp_path, fingerprint="f")

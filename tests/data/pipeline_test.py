"""Batches: coverage, resuming, process counts, small sets, evaluation."""

import itertools

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import pipeline
from semseg_jax.data import sources

_AUGMENT = pipeline.AugmentOptions(flip_labeled=0.5, affine=0.5)


def _source(n, *, labeled=True, size=8, channels=3):
  """Image i is everywhere of value i."""
  return sources.Rendered(
      lambda i: (np.full((size, size + 2, channels), i, np.uint8),
                 np.full((size, size + 2), i % 3, np.uint8)),
      [str(i) for i in range(n)], labeled=labeled)


def _batches(count, **options):
  arguments = dict(
      size=8, batch_size=4, unlabeled_batch_size=6, seed=5, augment=_AUGMENT)
  labeled = options.pop("labeled", _source(10))
  unlabeled = options.pop("unlabeled", _source(23, labeled=False))
  stream = pipeline.train_batches(labeled, unlabeled, **arguments | options)
  return list(itertools.islice(stream, count))


def _assert_equal(a, b):
  assert a.keys() == b.keys()
  for name in a:
    assert a[name].keys() == b[name].keys()
    for key in a[name]:
      np.testing.assert_array_equal(a[name][key], b[name][key])


def test_shapes_and_types():
  batch, = _batches(1)
  assert batch["labeled"]["image"].shape == (4, 8, 8, 3)
  assert batch["labeled"]["image"].dtype == np.uint8
  assert batch["labeled"]["label"].shape == (4, 8, 8)
  assert batch["labeled"]["label"].dtype == np.int32
  assert set(batch["unlabeled"]) == {"image"}
  assert batch["unlabeled"]["image"].shape == (6, 8, 8, 3)


@settings(max_examples=6, deadline=None)
@given(start=st.integers(0, 20), seed=st.integers(0, 99))
def test_resume_is_slicing(start, seed):
  whole = _batches(start + 3, seed=seed)
  for a, b in zip(whole[start:], _batches(3, start_step=start, seed=seed),
                  strict=True):
    _assert_equal(a, b)


@pytest.mark.parametrize("processes", [2, 4])
def test_global_batch_does_not_depend_on_processes(processes):
  options = {"batch_size": 4, "unlabeled_batch_size": 8, "start_step": 3}
  alone = _batches(4, **options)
  parts = [
      _batches(4, process_index=i, process_count=processes, **options)
      for i in range(processes)]
  for step, whole in enumerate(alone):
    joined = {
        name: {key: np.concatenate([p[step][name][key] for p in parts])
               for key in whole[name]}
        for name in whole}
    _assert_equal(whole, joined)


def test_threads_do_not_change_batches():
  for a, b in zip(_batches(6), _batches(6, workers=3), strict=True):
    _assert_equal(a, b)


def test_every_round_shows_every_image_in_a_new_order():
  batches = _batches(10, labeled=_source(8), unlabeled=None,
                     augment=pipeline.AugmentOptions())
  seen = np.concatenate([b["labeled"]["image"][:, 0, 0, 0] for b in batches])
  rounds = seen.reshape(-1, 8)
  for row in rounds:
    assert sorted(row) == list(range(8))
  assert len({tuple(row) for row in rounds}) > 1
  labels = np.concatenate([b["labeled"]["label"][:, 0, 0] for b in batches])
  np.testing.assert_array_equal(labels, seen % 3)


def test_fewer_images_than_a_batch():
  batch, = _batches(1, labeled=_source(3), batch_size=16,
                    augment=pipeline.AugmentOptions())
  values, counts = np.unique(
      batch["labeled"]["image"][:, 0, 0, 0], return_counts=True)
  assert list(values) == [0, 1, 2]
  assert counts.min() >= 5


def test_seeds_and_streams_differ():
  a, = _batches(1, unlabeled=_source(10, labeled=False),
                unlabeled_batch_size=4, augment=pipeline.AugmentOptions())
  b, = _batches(1, seed=6, augment=pipeline.AugmentOptions())
  first = lambda x: x["image"][:, 0, 0, 0].tolist()
  assert first(a["labeled"]) != first(a["unlabeled"])
  assert first(a["labeled"]) != first(b["labeled"])


def test_missing_streams():
  assert set(_batches(1, labeled=None)[0]) == {"unlabeled"}
  assert set(_batches(1, unlabeled=None)[0]) == {"labeled"}
  with pytest.raises(errors.DataError, match="neither"):
    _batches(1, labeled=None, unlabeled=None)


@pytest.mark.parametrize(("options", "message"), [
    ({"batch_size": 5, "process_count": 2}, "multiple of the 2 processes"),
    ({"batch_size": 0}, "positive"),
    ({"labeled": _source(4, labeled=False)}, "source with labels"),
    ({"labeled": _source(0)}, "without images"),
])
def test_impossible_streams(options, message):
  with pytest.raises(errors.DataError, match=message):
    _batches(1, **options)


def test_each_image_is_read_once():
  reads = []

  class Counting:
    ids = ("a", "b", "c")
    labeled = False

    def __len__(self):
      return 3

    def __getitem__(self, index):
      reads.append(index)
      return {"image": np.zeros((8, 8, 3), np.uint8)}

  _batches(5, labeled=None, unlabeled=Counting())
  assert sorted(reads) == [0, 1, 2]


@pytest.mark.parametrize("n", [1, 7, 8, 9])
def test_eval_batches_cover_the_source(n):
  source = _source(n, channels=1)
  batches = list(pipeline.eval_batches(source, size=6, batch_size=4))
  assert len(batches) == -(-n // 4)
  for batch in batches:
    assert batch["image"].shape == (4, 6, 6, 1)
    assert batch["mask"].dtype == bool
    np.testing.assert_array_equal(
        batch["image"][:, 0, 0, 0], batch["index"])
  index = np.concatenate([b["index"][b["mask"]] for b in batches])
  np.testing.assert_array_equal(index, np.arange(n))


def test_with_a_real_set():
  dataset = datasets.load("toy_faces", size=16)
  batch = next(pipeline.train_batches(
      dataset.splits["train_labeled"], dataset.splits["unlabeled"], size=16,
      batch_size=2, unlabeled_batch_size=2, seed=0))
  assert batch["labeled"]["label"].max() < dataset.spec.num_classes

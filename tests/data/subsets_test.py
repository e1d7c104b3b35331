"""Label subsets: nesting, the data set's own lists, pools, errors."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import sources
from semseg_jax.data import subsets


def _dataset(n=12, unlabeled=None, lists=None, pool="train_labeled"):
  def source(prefix, count, labeled):
    ids = [f"{prefix}{i}" for i in range(count)]
    blank = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.uint8)
    return sources.Rendered(lambda i: blank, ids, labeled=labeled)
  splits = {pool: source("a", n, True)}
  if unlabeled is not None:
    splits["unlabeled"] = source("u", unlabeled, False)
  spec = datasets.Spec(
      name="fake", class_names=("x",), colors=np.zeros((1, 3), np.uint8))
  return datasets.Dataset(spec, splits, lists or {})


@settings(max_examples=40, deadline=None)
@given(data=st.data(), n=st.integers(1, 30), seed=st.integers(0, 5))
def test_subsets_are_nested_and_exact(data, n, seed):
  big = data.draw(st.integers(1, n))
  small = data.draw(st.integers(1, big))
  listed = data.draw(st.integers(1, n))
  order = data.draw(st.permutations([f"a{i}" for i in range(n)]))
  lists = {f"labeled_{listed}_seed1": tuple(order[:listed])}
  dataset = _dataset(n, lists=lists)
  got = {}
  for k in (small, big):
    labeled, free = subsets.select(
        dataset, num_labeled=k, num_unlabeled=-1, split_seed=seed)
    assert len(set(labeled.ids)) == len(labeled) == k
    assert sorted(free.ids) == sorted(dataset.splits["train_labeled"].ids)
    assert not set(free.ids[:n - k]) & set(labeled.ids)
    got[k] = set(labeled.ids)
  assert got[small] <= got[big]
  exact, _ = subsets.select(
      dataset, num_labeled=listed, num_unlabeled=0, split_seed=1)
  assert set(exact.ids) == set(order[:listed])


def test_counts_between_the_lists_stay_between_them():
  lists = {"labeled_2_seed0": ("a5", "a1"),
           "labeled_4_seed0": ("a1", "a5", "a9", "a0")}
  three, _ = subsets.select(
      _dataset(lists=lists), num_labeled=3, num_unlabeled=0, split_seed=0)
  assert {"a5", "a1"} < set(three.ids) < {"a1", "a5", "a9", "a0"}


def test_seeds_differ_and_repeat():
  picks = [
      subsets.select(
          _dataset(40), num_labeled=8, num_unlabeled=0, split_seed=s)[0]
      for s in (0, 1, 0)]
  assert picks[0].ids == picks[2].ids != picks[1].ids


def test_unlabeled_split_is_the_pool_and_does_not_follow_labels():
  dataset = _dataset(unlabeled=7)
  few, many = (
      subsets.select(
          dataset, num_labeled=n, num_unlabeled=5, split_seed=0)[1]
      for n in (1, 12))
  assert few.ids == many.ids
  assert all(name.startswith("u") for name in few.ids)
  assert not few.labeled
  assert "label" not in few[0]


def test_unlabeled_lists():
  dataset = _dataset(unlabeled=7, lists={"unlabeled_2": ("u6", "u3")})
  two, three = (
      subsets.select(
          dataset, num_labeled=1, num_unlabeled=n, split_seed=3)[1]
      for n in (2, 3))
  assert two.ids == ("u6", "u3")
  assert {"u6", "u3"} < set(three.ids)


def test_pool_repeats():
  dataset = _dataset(pool="train")  # 12 images, all in the unlabeled pool
  labeled, once = subsets.select(
      dataset, num_labeled=2, num_unlabeled=-1, split_seed=0)
  again, thrice = subsets.select(dataset, num_labeled=2, num_unlabeled=-1,
                                 split_seed=0, pool_repeats=3)
  assert again.ids == labeled.ids
  assert thrice.ids == tuple(x for x in once.ids for _ in range(3))
  assert not thrice.labeled
  others = _dataset(unlabeled=7)  # none of the pool among them
  assert len(subsets.select(others, num_labeled=2, num_unlabeled=-1,
                            split_seed=0, pool_repeats=3)[1]) == 7
  with pytest.raises(errors.DataError, match="data.pool_repeats=0"):
    subsets.select(dataset, num_labeled=2, num_unlabeled=-1, split_seed=0,
                   pool_repeats=0)


def test_nothing_wanted_is_none():
  nothing = subsets.select(
      _dataset(unlabeled=3), num_labeled=0, num_unlabeled=0, split_seed=0)
  assert nothing == (None, None)
  labeled, free = subsets.select(
      _dataset(pool="train"), num_labeled=0, num_unlabeled=-1, split_seed=0)
  assert labeled is None
  assert len(free) == 12


@pytest.mark.parametrize(("options", "message"), [
    ({"num_labeled": 13}, r"data\.num_labeled=13.*12 images"),
    ({"num_labeled": -2}, r"data\.num_labeled=-2"),
    ({"num_unlabeled": 8}, r"data\.num_unlabeled=8.*7 images"),
])
def test_impossible_counts(options, message):
  wanted = {"num_labeled": 1, "num_unlabeled": 1} | options
  with pytest.raises(errors.DataError, match=message):
    subsets.select(_dataset(unlabeled=7), split_seed=0, **wanted)


@pytest.mark.parametrize(("dataset", "message"), [
    (_dataset(0), "empty"),
    (_dataset(unlabeled=0), "'unlabeled'.*empty"),
    (_dataset(pool="val"), "train_labeled nor train"),
    (_dataset(lists={"labeled_1_seed0": ("zz",)}), "labeled_1_seed0.*zz"),
    (_dataset(lists={"labeled_3_seed0": ("a0",)}), "labeled_3_seed0.*1 diff"),
])
def test_unusable_sets(dataset, message):
  with pytest.raises(errors.DataError, match=message):
    subsets.select(dataset, num_labeled=1, num_unlabeled=0, split_seed=0)


# --- The orders that this project brings

# Labeled pool, its size, label counts of the papers' ratios.
_ORDERS = {
    "pascal_voc": (10_582, (211, 529, 1322, 2645)),
    "pascal_context": (4998, (99, 249, 624, 1249)),
    "cityscapes": (2975, (59, 148, 371, 743)),
    "camvid": (367, (12, 23, 46, 92, 184)),
    "scenes": (4000, (80, 200, 500, 1000))}


@pytest.mark.parametrize("name", _ORDERS)
def test_three_orders_of_labels_are_text_files(name):
  size, counts = _ORDERS[name]
  pool = [f"p{i}" for i in range(size)]
  lists = id_lists.label_orders(name, pool)
  assert len(lists) == 3
  for seed in range(3):
    order = lists[f"labeled_{counts[-1]}_seed{seed}"]
    assert len(set(order)) == counts[-1]
    assert set(order) <= set(pool)
  assert len(set(lists.values())) == 3
  assert not id_lists.label_orders(name, pool[1:])  # of another pool


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_scenes_take_their_labels_in_the_order_of_the_file(seed):
  dataset = datasets.load("scenes", size=16)
  order = dataset.lists[f"labeled_1000_seed{seed}"]
  for count in _ORDERS["scenes"][1]:
    labeled, free = subsets.select(
        dataset, num_labeled=count, num_unlabeled=4000 - count, split_seed=seed)
    assert labeled.ids == order[:count]
    assert not set(free.ids) & set(labeled.ids)

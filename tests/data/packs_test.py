"""The real data packs (--data-packs)."""

import pathlib

import numpy as np
import pytest

from docs.site import dataset_reference
from semseg_jax.data import datasets
from semseg_jax.data import subsets

pytestmark = pytest.mark.data_packs
_PACKS = {
    # splits with counts; classes; label counts with lists of their own
    "coffee_leaf": (
        {"train_labeled": 200, "val": 50, "test": 100, "unlabeled": 1245,
         "ood_test": 100}, 3, (1, 5, 10, 20, 50, 100)),
    "wbc": ({"train_labeled": 200, "val": 30, "test": 67, "ood_val": 30}, 3,
            (1, 5, 10, 20, 50, 100)),
    "camvid": ({"train": 367, "val": 101}, 11, (12, 23, 46, 92, 184)),
    "ccp_person": (
        {"train_labeled": 404, "val": 100, "test": 199, "unlabeled": 1086}, 8,
        (1, 5, 10, 30, 100, 200)),
}


@pytest.fixture(scope="module")
def packs(request, tmp_path_factory):
  root = pathlib.Path(request.config.getoption("--data-packs"))
  cache = tmp_path_factory.mktemp("packs")

  def load(name):
    if not (root / name / "classes.json").exists():
      pytest.skip(f"no data pack {name} in {root}")
    return root / name, datasets.load(
        name, data_dir=str(root), cache_dir=str(cache))
  return load


@pytest.mark.parametrize("name", sorted(_PACKS))
def test_pack(packs, name):
  root, dataset = packs(name)
  splits, classes, counts = _PACKS[name]
  assert {k: len(v) for k, v in dataset.splits.items()} == splits
  assert dataset.spec.num_classes == classes
  assert dataset.spec.channels == (1 if name in dataset_reference.GRAY else 3)
  assert dataset.spec.class_names == dataset_reference.PACKS[name]
  datasets.verify(dataset, splits)
  chosen = set()
  for seed in (0, 2):
    chosen = set()
    for count in counts:
      labeled, free = subsets.select(
          dataset, num_labeled=count, num_unlabeled=-1, split_seed=seed)
      listed = (root / f"splits/labeled_{count}_seed{seed}.txt").read_text()
      assert set(labeled.ids) == set(listed.split())
      assert chosen <= set(labeled.ids)
      chosen = set(labeled.ids)
  complement = root / f"splits/unlabeled_{counts[0]}_seed0.txt"
  if complement.exists():
    ids = complement.read_text().split()
    _, free = subsets.select(
        dataset, num_labeled=counts[0], num_unlabeled=len(ids), split_seed=0)
    assert set(free.ids) == set(ids)


def test_coffee_leaf_frames_are_other_images_of_the_test_leaves(packs):
  _, dataset = packs("coffee_leaf")
  test, frame = dataset.splits["test"], dataset.splits["ood_test"]
  assert frame.ids == tuple(f"raw_frame/{leaf}" for leaf in test.ids)
  share = lambda source: np.mean(
      [(source[i]["label"] > 0).mean() for i in range(20)])
  assert share(frame) < 0.8 * share(test)

"""Loading by name, splits, and checking before a run."""

import subprocess
import sys

import numpy as np
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import sources

_SPEC = datasets.Spec(
    name="fake", class_names=("a", "b"), colors=np.zeros((2, 3), np.uint8))


def _fake(image, label):
  source = sources.Rendered(lambda i: (image, label), ["x"], labeled=True)
  return datasets.Dataset(_SPEC, {"train": source})


def test_unknown_name_lists_the_known():
  with pytest.raises(errors.DataError, match=r"data\.name.*parts.*wbc"):
    datasets.load("part")


@pytest.mark.parametrize("name", ["folder", "coffee_leaf", "celebamask_hq",
                                  "semantic_gan_official"])
def test_file_sets_ask_for_a_folder(name, tmp_path):
  with pytest.raises(errors.DataError, match=r"data\.data_dir"):
    datasets.load(name)
  with pytest.raises(errors.DataError, match=r"no folder"):
    datasets.load(name, data_dir=str(tmp_path / "none"))
  with pytest.raises(errors.DataError, match=r"not the data set"):
    datasets.load(name, data_dir=str(tmp_path))


def test_split_errors():
  dataset = datasets.load("toy_faces", size=16)
  with pytest.raises(errors.DataError, match=r"no split 'tset'.*train_labeled"):
    datasets.split(dataset, "tset")
  empty = datasets.Dataset(
      _SPEC, {"val": sources.Subset(dataset.splits["val"], [])})
  with pytest.raises(errors.DataError, match="'val'.*empty"):
    datasets.verify(empty, ["val"])


def test_what_is_scored_needs_masks():
  dataset = datasets.load("toy_faces", size=16)
  free = datasets.Dataset(_SPEC, {name: sources.Subset(
      dataset.splits["val"], [0], labeled=False) for name in (
          "val", "unlabeled")})
  datasets.verify(free, ["unlabeled"])
  for name, scored in (("val", False), ("unlabeled", True)):
    with pytest.raises(errors.DataError, match=f"'{name}' .* has no masks"):
      datasets.verify(free, [name], scored=scored)


@pytest.mark.parametrize(("image", "label", "message"), [
    (np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4), np.uint8), "fake/train/x"),
    (np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), "float64"),
    (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.uint8), r"\(4, 5\)"),
    (np.zeros((4, 4, 3), np.uint8), np.full((4, 4), 2, np.uint8), "index 2"),
])
def test_verify_names_what_is_wrong(image, label, message):
  with pytest.raises(errors.DataError, match=message):
    datasets.verify(_fake(image, label), ["train"])


def test_verify_accepts_ignored_pixels():
  label = np.full((4, 4), 255, np.uint8)
  datasets.verify(_fake(np.zeros((4, 4, 3), np.uint8), label), ["train"])


def test_subset_hides_labels_and_keeps_order():
  val = datasets.load("toy_faces", size=16).splits["val"]
  subset = sources.by_ids(val, ["val_00007", "val_00002"], labeled=False)
  assert subset.ids == ("val_00007", "val_00002")
  assert set(subset[0]) == {"image", "id"}
  np.testing.assert_array_equal(subset[1]["image"], val[2]["image"])
  with pytest.raises(IndexError):
    subset[2]


def test_sets_do_not_import_jax_or_tensorflow():
  code = (
      "import sys; from semseg_jax.data import datasets, store, subsets;"
      "datasets.load('toy_faces', size=16);"
      "assert not {'jax', 'tensorflow'} & set(sys.modules)")
  subprocess.run([sys.executable, "-c", code], check=True)

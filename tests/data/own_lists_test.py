"""Lists of a folder's images: as people bring them, and as they are written."""

import pytest

from semseg_jax.data import errors
from semseg_jax.data import new_folder
from tests.data import own_folder


@pytest.fixture
def folder(tmp_path):
  return own_folder.Folder(tmp_path / "mine")


def test_lists_are_written_once(folder):
  (folder.root / "classes.json").unlink()
  for i in range(10):
    folder.image(f"{i}.png")
    if i < 8:
      folder.mask(f"{i}.png")
  with pytest.raises(errors.DataError, match="--split"):
    folder.load()
  new_folder.write(folder.root, split=(0.5, 0.25, 0.25), seed=0)
  sizes = {k: len(v) for k, v in folder.load().splits.items()}
  assert sizes == {"train_labeled": 4, "val": 2, "test": 2, "unlabeled": 6}
  new_folder.write(folder.root, split=(0.5, 0.25, 0.25), seed=0)
  with pytest.raises(errors.DataError, match="another list"):
    new_folder.write(folder.root, split=(0.5, 0.25, 0.25), seed=1)


def test_lists_by_other_names(folder):
  for name in "abc":
    folder.image(f"{name}.png")
    folder.mask(f"{name}.png")
  for name, line in (("training", "a"), ("Valid", "b"), ("testing", "c")):
    folder.path(f"splits/{name}.txt").write_text(line)
  assert {k: v.ids for k, v in folder.load().splits.items()} == {
      "train_labeled": ("a",), "val": ("b",), "test": ("c",)}
  folder.path("splits/val.txt").write_text("b")
  with pytest.raises(errors.DataError, match=r"val\.txt: a second list"):
    folder.load()


def test_lists_are_known_in_any_case(folder):
  for name in "abcd":
    folder.image(f"{name}.png")
    folder.mask(f"{name}.png")
  lists = {"Train_Labeled": "ab", "VAL": "c", "OOD_new": "d",
           "Unlabeled_Web": "d", "Labeled_1_Seed0": "a"}
  for name, ids in lists.items():
    folder.path(f"splits/{name}.txt").write_text("\n".join(ids))
  dataset = folder.load()
  assert {k: v.labeled for k, v in dataset.splits.items()} == {
      "train_labeled": True, "val": True, "ood_new": True,
      "unlabeled_web": False}
  assert set(dataset.lists) == {"labeled_1_seed0"}
  assert new_folder.has_lists(folder.root)


def test_an_equal_list_by_another_name_stays_the_only_one(folder):
  for i in range(8):
    folder.image(f"{i}.png")
    folder.mask(f"{i}.png")
  asked = dict(split=(0.5, 0.25, 0.25), seed=0)
  new_folder.write(folder.root, **asked)
  splits = folder.root / "splits"
  for name, other in (("val", "valid"), ("train_labeled", "train"),
                      ("test", "Testing")):
    (splits / f"{name}.txt").rename(splits / f"{other}.txt")
    before = sorted(splits.iterdir())
    new_folder.write(folder.root, **asked)
    assert sorted(splits.iterdir()) == before
    folder.load()
  with pytest.raises(errors.DataError, match=r"\.txt: is there and holds"):
    new_folder.write(folder.root, split=(0.5, 0.25, 0.25), seed=1)


def test_own_lists_are_kept(folder):
  for name in "abc":
    folder.image(f"{name}.png")
    folder.mask(f"{name}.png")
  (folder.root / "masks/c.png").rename(folder.root / "masks/drawn.png")
  for name, line in (("train", "a"), ("val", "b"), ("test", "c.png drawn.png")):
    folder.path(f"splits/{name}.txt").write_text(line)
  (folder.root / "classes.json").unlink()
  with pytest.raises(errors.DataError, match="missing") as error:
    folder.load()
  assert "--split" not in str(error.value)
  new_folder.write(folder.root, classes=["leaf"])
  assert sorted(p.stem for p in (folder.root / "splits").iterdir()) == [
      "test", "train", "val"]
  dataset = folder.load()
  assert dataset.spec.class_names == ("background", "leaf")
  assert dataset.splits["test"].ids == ("c",)
  new_folder.write(folder.root, classes=["background", "leaf"])
  with pytest.raises(errors.DataError, match="--classes.*names background, le"):
    new_folder.write(folder.root, classes=["background", "spot"])
  (folder.root / "masks/drawn.png").rename(folder.root / "masks/c.png")
  for name in ("val", "test"):
    (folder.root / f"splits/{name}.txt").unlink()
  with pytest.raises(errors.DataError, match=r"train\.txt.*leave --split out"):
    new_folder.write(folder.root, split=(0.4, 0.3, 0.3))


def test_lists_of_names_with_spaces(folder):
  (folder.root / "classes.json").unlink()
  for name, split in (("a 1", "train"), ("a 2", "val"), ("a 3", "test")):
    folder.image(f"{name}.png")
    folder.mask(f"{name}.png")
    folder.path(f"ImageSets/Segmentation/{split}.txt").write_text(f"{name}\n")
  new_folder.write(folder.root)
  assert folder.load().splits["test"].ids == ("a 3",)


@pytest.mark.parametrize("split", [(0.5, 0.5), (0.9, 0.9, 0.9), (2, -1, 0)])
def test_fractions_that_are_no_division(split):
  with pytest.raises(errors.DataError, match="--split"):
    new_folder.divided(["a", "b", "c"], split, 0)

"""Folders as people bring them: where masks lie and how they are called."""

import numpy as np
import pytest

from semseg_jax.data import errors
from semseg_jax.data import new_folder
from tests.data import own_folder


@pytest.fixture
def folder(tmp_path):
  return own_folder.Folder(tmp_path / "mine")


def _moved(folder, names):
  """Images and masks 0 to 3 by their names: {"images/{}.png": "{}.png"}."""
  (folder.root / "classes.json").unlink()
  for i in range(4):
    folder.image(f"{i}.png")
    folder.mask(f"{i}.png")
    for old, new in names.items():
      (folder.root / old.format(i)).rename(folder.path(new.format(i)))
  for name in ("images", "masks"):
    if not any((folder.root / name).iterdir()):
      (folder.root / name).rmdir()


@pytest.mark.parametrize("names", [
    {"masks/{}.png": "gts/{}.png"}, {"masks/{}.png": "Ground_Truth/{}.png"},
    {"masks/{}.png": "masks/{}_gt.png"},
    {"images/{}.png": "Train_Images/{}.png",
     "masks/{}.png": "train_masks/{}.png"},
    {"images/{}.png": "{}.png", "masks/{}.png": "gt/{}.png"}])
def test_usual_names_of_masks(folder, names):
  _moved(folder, names)
  new_folder.write(folder.root, split=(0.5, 0.25, 0.25))
  for split, count in zip(own_folder.SPLITS, (2, 1, 1), strict=True):
    labels = folder.labels(split)
    assert len(labels) == count
    for label in labels.values():
      np.testing.assert_array_equal(label, own_folder.MASK)
  assert set(folder.load().splits) == set(own_folder.SPLITS)


def test_parts_beside_each_other(folder):
  for part in ("train", "val", "test"):
    folder.image(f"{part}.png")
    folder.mask(f"{part}.png")
    for name in ("images", "masks"):
      (folder.root / f"{name}/{part}.png").rename(
          folder.path(f"{part}_{name}/a.png"))
  for name in ("images", "masks"):
    (folder.root / name).rmdir()
  (folder.root / "classes.json").unlink()
  new_folder.write(folder.root)
  assert {k: v.ids for k, v in folder.load().splits.items()} == {
      "train_labeled": ("train_images/a",), "val": ("val_images/a",),
      "test": ("test_images/a",)}


@pytest.mark.parametrize(("names", "words"), [
    ({"masks/{}.png": "drawn/{}.png"}, ["drawn has files", "move them to"]),
    ({"images/{}.png": "{}.jpg", "masks/{}.png": "{}.png"},
     ["0.png: looks like the mask of", "0.jpg; move all masks to"]),
    ({"masks/{}.png": "images/{}_drawn.png"}, ["0_drawn.png is the mask of"]),
    ({"images/{}.png": "a/{}.png", "masks/{}.png": "b/{}.png"},
     ["b/0.png is the mask of", "a/0.png"]),
    ({"images/{}.png": "a/{}.png", "masks/{}.png": "a/masks/{}.png"},
     ["a/masks has files", "move them to"]),
    ({"masks/{}.png": "masks/{}.npy"},
     ["masks holds no image files", "not read: ", "0.npy"])])
def test_what_could_be_masks_is_named(folder, names, words):
  _moved(folder, names)
  with pytest.raises(errors.DataError, match="annotated|looks like") as error:
    new_folder.write(folder.root, split=(0.5, 0.25, 0.25))
  for word in words:
    assert word in str(error.value)
  assert not list(folder.root.rglob("*.json"))

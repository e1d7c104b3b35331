"""Folders as people bring them: files, ids and lists."""

import unicodedata

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import errors
from semseg_jax.data import image_folder
from semseg_jax.data import new_folder
from semseg_jax.data import statistics
from semseg_jax.data import subsets
from semseg_jax.data.sets import folder as folder_set
from tests.data import own_folder


@pytest.fixture
def folder(tmp_path):
  return own_folder.Folder(tmp_path / "mine")


def test_whole_ids_tell_images_apart(folder):
  ids = ["p1/1", "p1/2", "p2/1", "p2/2"]
  for gray, name in enumerate(ids):
    folder.image(f"{name}.png", gray)
    folder.mask(f"{name}.png")
  folder.lists(all=ids)
  labeled, unlabeled = subsets.select(
      folder.load(), num_labeled=-1, num_unlabeled=-1, split_seed=0)
  for source in (labeled, unlabeled):
    assert sorted(source.ids) == ids
    assert sorted(int(source[i]["image"][0, 0, 0]) for i in range(4)) == [
        0, 1, 2, 3]


@pytest.mark.parametrize(("image", "mask", "line", "name"), [
    ("a.JPG", "a.png", "a", "a"), ("a.jpeg", "a.PNG", "a", "a"),
    ("a.tif", "a.tiff", "a.tif", "a"), ("a.bmp", "a.bmp", "a", "a"),
    ("a.webp", "a.png", "images/a.webp", "a"),
    ("b/a.png", "b/a.png", "b/a.png", "b/a"),
    ("a.png", "a_mask.png", "a", "a"),
    ("a.png", "x/y.png", "images/a.png masks/x/y.png", "a"),
    ("a.png", "y.png", "a.png\ty.png", "a"),
    ("a.png", "y.png", "/images/a.png,/masks/y.png", "a"),
    ("a b.png", "a b.png", "a b", "a b"),
    (unicodedata.normalize("NFD", "Ä.png"), unicodedata.normalize(
        "NFC", "Ä.png"), unicodedata.normalize("NFD", "Ä"), "Ä"),
])
def test_names_of_files_and_lines(folder, image, mask, line, name):
  folder.image(image)
  folder.mask(mask)
  folder.lists(all=[line])
  (only, label), = folder.labels().items()
  assert only == unicodedata.normalize("NFC", name)
  np.testing.assert_array_equal(label, own_folder.MASK)


@pytest.mark.parametrize(("images", "masks", "line", "words"), [
    (["a.jpg", "a.png"], ["a.png"], "a", ["a.jpg", "a.png", "both"]),
    (["a.png"], ["a.png", "a.tif"], "a", ["masks/a.png", "a.tif"]),
    (["a.png"], ["a.png", "a_mask.png"], "a", ["/a.png", "a_mask.png", "both"]),
    (["a.png"], ["a.jpg"], "a", ["a.jpg", "lossy"]),
    (["a.png"], ["b.png"], "a", ["test.txt", "'a'", "masks/a.png"]),
    (["b.png"], ["a.png"], "a", ["test.txt", "'a'", "no file"]),
    (["a.png"], ["a.png"], "a.png no.png", ["no.png"]),
    (["a.png"], ["a.png"], "a\na.png", ["'a'", "twice"]),
])
def test_what_cannot_be_used_is_named(folder, images, masks, line, words):
  for name in images:
    folder.image(name)
  for name in masks:
    folder.mask(name)
  folder.lists(test=line.split("\n"))
  with pytest.raises(errors.DataError) as error:
    folder.load()
  for word in words:
    assert word in str(error.value)


@pytest.mark.parametrize("raw", [
    b"\xef\xbb\xbfa\r\nb/c\r\n\r\n  \r\n", b"a\rb/c", b"b\\c.png\na  \n"])
def test_lists_as_editors_write_them(folder, raw):
  for name in ("a", "b/c"):
    folder.image(f"{name}.png")
    folder.mask(f"{name}.png")
  folder.path("splits/test.txt").write_bytes(raw)
  assert set(folder.load().splits["test"].ids) == {"a", "b/c"}


def test_lines_may_be_whole_paths(folder):
  folder.image("a.png")
  folder.mask("b.png")
  folder.lists(test=[f"{folder.root}/images/a.png {folder.root}/masks/b.png"])
  np.testing.assert_array_equal(folder.labels()["a"], own_folder.MASK)


@pytest.mark.parametrize(("name", "content", "message"), [
    ("test.csv", b"a", r"test\.csv: lists .*test\.txt"),
    ("test.txt", "a".encode("utf-16"), "UTF-8"),
    ("test.txt", None, "cannot be read")])
def test_files_that_are_no_lists(folder, name, content, message):
  folder.image("a.png")
  folder.mask("a.png")
  path = folder.path(f"splits/{name}")
  path.mkdir() if content is None else path.write_bytes(content)
  with pytest.raises(errors.DataError, match=message):
    folder.load()


def test_names_of_folders_and_lists_in_any_case(folder):
  folder.image("a.png")
  folder.mask("a.png")
  folder.lists(test=["a"])
  for old, new in (("images", "Img"), ("masks", "Masks"),
                   ("splits/test.txt", "splits/test.TXT")):
    (folder.root / old).rename(folder.root / new)
  np.testing.assert_array_equal(folder.labels()["a"], own_folder.MASK)


def test_what_file_managers_leave_is_no_image(folder):
  folder.image("a.png")
  folder.mask("a.png")
  for name in ("images/._a.png", "images/Thumbs.db", "masks/._a.png",
               "images/.DS_Store", "splits/._test.txt"):
    folder.path(name).write_bytes(b"x")
  (folder.root / "images/gone.png").symlink_to("nowhere.png")
  (folder.root / "images/round").symlink_to("..")
  folder.lists(test=["a"])
  np.testing.assert_array_equal(folder.labels()["a"], own_folder.MASK)
  assert image_folder.ImageFolder(folder.root / "masks", 3).ids == ("a",)


def test_linked_files_and_folders(folder, tmp_path):
  other = own_folder.Folder(tmp_path / "other")
  other.image("b.png", 5)
  other.mask("b.png")
  folder.path("x")
  (folder.root / "images").symlink_to(other.root / "images")
  folder.path("masks/x")
  (folder.root / "masks/b.png").symlink_to(other.root / "masks/b.png")
  folder.lists(test=["b"])
  np.testing.assert_array_equal(folder.labels()["b"], own_folder.MASK)


@pytest.mark.parametrize(("name", "content", "message"), [
    ("images/a.png", b"", "empty file"), ("masks/a.png", b"", "empty file"),
    ("images/a.png", 40, "not a readable image"),
    ("masks/a.png", 40, "not a readable image"),
    ("images/a.png", "deep", "more than 8 bits"),
    ("images/a.png", "two", "holds 2 images")])
def test_files_that_cannot_be_used_are_named(folder, name, content, message):
  folder.image("a.png")
  folder.mask("a.png")
  folder.lists(test=["a"])
  path = folder.root / name
  if content == "deep":
    Image.fromarray(np.full((6, 8), 7000, np.uint16)).save(path)
  elif content == "two":
    image = Image.new("RGB", (8, 6))
    image.save(path, "tiff", save_all=True, append_images=[image])
  else:
    path.write_bytes(path.read_bytes()[:content] if content else content)
  with pytest.raises(errors.DataError, match=rf"{name}: .*{message}"):
    folder.load()


def test_parts_with_masks_of_their_own(folder):
  for part in ("train", "val", "test"):
    folder.image(f"{part}/{part}.png")
    folder.mask(f"{part}/{part}.png")
  (folder.root / "classes.json").unlink()
  new_folder.write(folder.root)
  assert {k: v.ids for k, v in folder.load().splits.items()} == {
      "train_labeled": ("train/train",), "val": ("val/val",),
      "test": ("test/test",)}
  other = own_folder.Folder(folder.root.parent / "other")
  for kind in ("images", "masks"):
    (folder.root / kind / "train").rename(other.path(f"train/{kind}"))
  with pytest.raises(errors.DataError, match="move train/images to images/train"
                     ):
    other.load()


def test_ids_in_two_lists_are_named(folder):
  for name in "ab":
    folder.image(f"{name}.png")
    folder.mask(f"{name}.png")
  folder.lists(train_labeled=["a", "b"], test=["b"])
  folder.path("splits/holdout.txt").write_text("a")
  messages = statistics.overlaps(folder.load())
  assert list(messages) == [
      ("train_labeled", "holdout"), ("train_labeled", "test")]
  assert messages["train_labeled", "test"].endswith("test: b")


def test_one_image_has_one_mask_in_all_lists(folder):
  folder.image("a.png")
  folder.mask("a.png")
  Image.fromarray(own_folder.MASK).save(folder.path("second/a.png"))
  folder.lists(train_labeled=["a"], test=["a ./masks/a.png"])
  folder.load()
  folder.lists(test=["a second/a.png"])
  with pytest.raises(errors.DataError, match=(
      "second/a.png in the split 'test', but .*masks/a.png in 'train_labe")):
    folder.load()
  folder.lists(test=["a"])
  chosen = folder.path("splits/labeled_1_seed0.txt")
  chosen.write_text("a masks/a.png")
  assert folder.load().lists == {"labeled_1_seed0": ("a",)}
  chosen.write_text("a second/a.png")
  with pytest.raises(errors.DataError, match="seed0.*second/a.png.*masks/a.pn"):
    folder.load()


def test_equal_files_in_two_lists_are_named(folder):
  for name, gray in (("a", 1), ("b", 2), ("c", 1)):
    folder.image(f"{name}.png", gray)
    folder.mask(f"{name}.png")
  folder.lists(train_labeled=["a"], val=["b"], test=["c"])
  dataset = folder.load()
  assert statistics.overlaps(dataset) == {}
  assert statistics.copies(dataset) == {
      ("train_labeled", "test"):
          "equal files in train_labeled and in test: a = c"}
  folder.image("d.png", 1)
  folder.mask("d.png")
  folder.lists(train_labeled=["a", "d"])
  assert statistics.copies(folder.load())["train_labeled", "test"] == (
      "equal files in train_labeled and in test (2 and 1): d = c")


def turned(orientation):
  exif = Image.Exif()
  exif[0x112] = orientation
  return {"exif": exif}


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
def test_turned_photographs(folder, kind):
  folder.image(f"a.{kind}", **turned(6))
  folder.mask("a.png", own_folder.MASK.T)
  folder.lists(test=["a"])
  dataset = folder.load()
  assert dataset.splits["test"][0]["image"].shape == (8, 6, 3)
  said = statistics.warnings(dataset, statistics.summarize(dataset))
  assert any("EXIF orientation" in line for line in said)
  folder.mask("a.png", own_folder.MASK)
  with pytest.raises(errors.DataError, match="EXIF orientation|8 x 6.*6 x 8"):
    folder.load()


def test_images_alone(folder):
  (folder.root / "classes.json").unlink()
  folder.image("a.JPG")
  folder.image("b/a.png")
  dataset = folder.load()
  labeled, free = subsets.select(
      dataset, num_labeled=0, num_unlabeled=-1, split_seed=0)
  assert labeled is None
  assert sorted(free.ids) == ["a", "b/a"]
  with pytest.raises(errors.DataError, match="labels=0"):
    subsets.select(dataset, num_labeled=-1, num_unlabeled=-1, split_seed=0)


def test_masks_with_a_suffix_and_among_the_images(folder):
  (folder.root / "classes.json").unlink()
  for i in range(4):
    folder.image(f"{i}.png")
    folder.mask(f"{i}_mask.png")
  new_folder.write(folder.root, split=(0.5, 0.25, 0.25))
  for label in folder.labels().values():
    np.testing.assert_array_equal(label, own_folder.MASK)
  for path in (folder.root / "masks").iterdir():
    path.rename(folder.root / "images" / path.name)
  with pytest.raises(errors.DataError, match=r"0_mask\.png: looks like the mask"
                     ):
    new_folder.write(folder.root)


def test_what_is_not_read_is_named(folder):
  (folder.root / "classes.json").unlink()
  for i in range(4):
    folder.image(f"{i}.png")
  for name in ("labels/0.txt", "images/x.HEIC", "README.txt"):
    folder.path(name).write_text("x")
  note, = (x for x in new_folder.write(folder.root) if "not read" in x)
  assert "labels/0.txt" in note
  assert "x.HEIC" in note
  assert "README" not in note
  folder.image("9.png")
  unlisted, unread = folder_set.remarks(str(folder.root), folder.load())
  assert unlisted == "1 images are in no list and not used: 9"
  assert "labels holds no image files" in unread
  assert not (folder.root / "classes.json").exists()

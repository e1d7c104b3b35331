"""Folders as people bring them: the right labels, or one line that names it."""

import json
import unicodedata

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import flips
from semseg_jax.data import new_folder
from semseg_jax.data import statistics
from semseg_jax.data import subsets
from semseg_jax.data import transforms

SPLITS = ("train_labeled", "val", "test")
MASK = (np.arange(48).reshape(6, 8) % 2).astype(np.uint8)


class Folder:
  """A folder of images and masks; every part may be replaced."""

  def __init__(self, root):
    self.root = root
    self.classes()

  def path(self, name):
    path = self.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path

  def image(self, name, gray=9, **options):
    Image.fromarray(np.full((6, 8, 3), gray, np.uint8)).save(
        self.path(f"images/{name}"), **options)

  def mask(self, name, values=MASK, **options):
    Image.fromarray(values).save(self.path(f"masks/{name}"), **options)

  def lists(self, **lists):
    for split in SPLITS:
      lines = lists.get(split, lists.get("all", []))
      if lines:
        self.path(f"splits/{split}.txt").write_text(
            "\n".join(lines), encoding="utf-8")

  def classes(self, names=("ground", "leaf"), **more):
    self.path("classes.json").write_text(json.dumps({
        "classes": names, "colours": [[9 * i, 0, 0] for i in range(
            len(names))]} | more))

  def load(self):
    return datasets.load("folder", data_dir=str(self.root),
                         cache_dir=str(self.root.parent / "cache"))

  def labels(self, split="test"):
    source = self.load().splits[split]
    return {x: source[i]["label"] for i, x in enumerate(source.ids)}


@pytest.fixture
def folder(tmp_path):
  return Folder(tmp_path / "mine")


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
  np.testing.assert_array_equal(label, MASK)


@pytest.mark.parametrize(("images", "masks", "line", "words"), [
    (["a.jpg", "a.png"], ["a.png"], "a", ["a.jpg", "a.png", "both"]),
    (["a.png"], ["a.png", "a.tif"], "a", ["masks/a.png", "a.tif"]),
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


def test_masks_of_0_and_255(folder):
  folder.image("a.png")
  folder.mask("a.png", 255 * MASK)
  folder.lists(train_labeled=["a"])
  dataset = folder.load()
  said = "\n".join(statistics.warnings(dataset, statistics.summarize(dataset)))
  assert "'leaf' never occurs" in said
  assert "255 = ignored covers 50% of the pixels" in said
  assert '"values": {"0": 0, "255": 1}' in said
  folder.classes(values={"0": 0, "255": 1})
  np.testing.assert_array_equal(folder.labels("train_labeled")["a"], MASK)


def test_ids_in_two_lists_are_named(folder):
  for name in "ab":
    folder.image(f"{name}.png")
    folder.mask(f"{name}.png")
  folder.lists(train_labeled=["a", "b"], test=["b"])
  messages = statistics.overlaps(folder.load())
  assert list(messages) == [("train_labeled", "test")]
  assert messages["train_labeled", "test"].endswith("test: b")


def turned(orientation):
  exif = Image.Exif()
  exif[0x112] = orientation
  return {"exif": exif}


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
def test_turned_photographs(folder, kind):
  folder.image(f"a.{kind}", **turned(6))
  folder.mask("a.png", MASK.T)
  folder.lists(test=["a"])
  dataset = folder.load()
  assert dataset.splits["test"][0]["image"].shape == (8, 6, 3)
  said = statistics.warnings(dataset, statistics.summarize(dataset))
  assert any("EXIF orientation" in line for line in said)
  folder.mask("a.png", MASK)
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


@pytest.mark.parametrize("split", [(0.5, 0.5), (0.9, 0.9, 0.9), (2, -1, 0)])
def test_fractions_that_are_no_division(split):
  with pytest.raises(errors.DataError, match="--split"):
    new_folder.divided(["a", "b", "c"], split, 0)


@pytest.mark.parametrize(("names", "stated", "rule"), [
    (("ground", "leaf"), None, (0, 1)),
    (("skin", "left_eye", "right_eye"), None, None),
    (("skin", "leftEye", "rightEye"), None, None),
    (("skin", "l_eye", "r_eye"), {"l_eye": "r_eye"}, (0, 2, 1)),
    (("skin", "l_eye", "r_eye"), "horizontal", (0, 1, 2)),
    (("ground", "leaf"), "none", None),
    (("u_lip", "l_lip"), None, (0, 1)),
])
def test_flips_follow_the_data_set(folder, names, stated, rule):
  folder.image("a.png")
  folder.mask("a.png")
  folder.lists(train_labeled=["a"])
  folder.classes(names, **({"flip": stated} if stated else {}))
  dataset = folder.load()
  assert dataset.spec.flip == rule
  example = dataset.splits["train_labeled"][0]
  options = transforms.AugmentOptions(
      flip_labeled=1.0, mirror=dataset.spec.flip)
  label = transforms.augment_labeled(
      example, np.random.default_rng(0), options)["label"]
  expected = MASK if rule is None else np.asarray(
      rule, np.uint8)[MASK[:, ::-1]]
  np.testing.assert_array_equal(label, expected)


def test_rules_that_are_no_exchange():
  for value in ("vertical", {"a": "c"}, {"a": "b", "b": "d"}):
    with pytest.raises(errors.DataError, match="flip"):
      flips.stated(value, ("a", "b", "d"), "classes.json")

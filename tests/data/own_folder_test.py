"""Folders as people bring them: the right labels, or one line that names it."""

import json
import unicodedata

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import flips
from semseg_jax.data import image_folder
from semseg_jax.data import new_folder
from semseg_jax.data import statistics
from semseg_jax.data import subsets
from semseg_jax.data import transforms
from semseg_jax.data.sets import folder as folder_set

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


@pytest.mark.parametrize(("content", "names"), [
    ({"classes": {"0": "ground", "1": "leaf"}}, ("ground", "leaf")),
    ({"classes": {"leaf": 1, "ground": 0}}, ("ground", "leaf")),
    ({"classes": ["a", "b"], "ignore_index": "250"}, ("a", "b")),
])
def test_ways_of_naming_classes(folder, content, names):
  folder.image("a.png")
  folder.mask("a.png")
  folder.lists(test=["a"])
  folder.path("classes.json").write_text(json.dumps(content))
  assert folder.load().spec.class_names == names


@pytest.mark.parametrize(("content", "message"), [
    ({"classes": ["a", "a"]}, "two classes are called 'a'"),
    ({"classes": {"0": "a", "2": "b"}}, "no class has the index 1"),
    ({"classes": {"a": 0, "b": 0}}, "two classes have the index 0"),
    ({"classes": "ab"}, "needs 'classes'"),
    ({"classes": [{"name": "a"}]}, "needs 'classes'"),
    ({"classes": []}, "needs 'classes'"),
    ({"classes": ["a", "b"], "ignore_index": 1}, "'ignore_index' is 1.*class"),
    ({"classes": ["a", "b"], "ignore_index": 2.5}, "'ignore_index' is 2.5"),
    ({"classes": ["a", "b"], "ignore_index": None}, "'ignore_index' is None"),
    ({"classes": ["a", "b"], "colours": [[0, 0, 0]]}, "2 classes, but 1 col"),
    ({"classes": ["a", "b"], "colours": ["#000", "#fff"]}, "'colours' needs"),
    ({"classes": ["a", "b"], "colours": [[0, 0, 0], [.5, 1, 0]]},
     "'colours' needs"),
    ({"classes": ["a", "b"], "ignored_index": 3}, "'ignore_index' is meant"),
    ({"classes": ["a", "b"], "channels": 4}, "'channels' is 4"),
])
def test_mistakes_in_classes_json(folder, content, message):
  folder.image("a.png")
  folder.mask("a.png")
  folder.lists(test=["a"])
  folder.path("classes.json").write_text(json.dumps(content))
  with pytest.raises(errors.DataError, match=rf"classes\.json: .*{message}"):
    folder.load()


def test_colours_of_two_classes_cannot_be_told_apart(folder):
  folder.image("a.png")
  folder.lists(test=["a"])
  folder.classes(colours=[[9, 0, 0], [9, 0, 0]])
  folder.mask("a.png")
  np.testing.assert_array_equal(folder.labels()["a"], MASK)
  folder.mask("a.png", np.full((6, 8, 3), (9, 0, 0), np.uint8))
  with pytest.raises(errors.DataError, match="'ground' and 'leaf' the same"):
    folder.load()


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
  np.testing.assert_array_equal(folder.labels()["a"], MASK)


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
  np.testing.assert_array_equal(folder.labels()["a"], MASK)


def test_what_file_managers_leave_is_no_image(folder):
  folder.image("a.png")
  folder.mask("a.png")
  for name in ("images/._a.png", "images/Thumbs.db", "masks/._a.png",
               "images/.DS_Store", "splits/._test.txt"):
    folder.path(name).write_bytes(b"x")
  (folder.root / "images/gone.png").symlink_to("nowhere.png")
  (folder.root / "images/round").symlink_to("..")
  folder.lists(test=["a"])
  np.testing.assert_array_equal(folder.labels()["a"], MASK)
  assert image_folder.ImageFolder(folder.root / "masks", 3).ids == ("a",)


def test_linked_files_and_folders(folder, tmp_path):
  other = Folder(tmp_path / "other")
  other.image("b.png", 5)
  other.mask("b.png")
  folder.path("x")
  (folder.root / "images").symlink_to(other.root / "images")
  folder.path("masks/x")
  (folder.root / "masks/b.png").symlink_to(other.root / "masks/b.png")
  folder.lists(test=["b"])
  np.testing.assert_array_equal(folder.labels()["b"], MASK)


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
  other = Folder(folder.root.parent / "other")
  for kind in ("images", "masks"):
    (folder.root / kind / "train").rename(other.path(f"train/{kind}"))
  with pytest.raises(errors.DataError, match="move train/images to images/train"
                     ):
    other.load()


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


def test_one_class_and_no_training_images_are_said(folder):
  folder.image("a.png")
  folder.mask("a.png", 0 * MASK)
  folder.lists(test=["a"])
  folder.classes(["ground"])
  dataset = folder.load()
  said = "\n".join(statistics.warnings(dataset, statistics.summarize(dataset)))
  assert "one class alone" in said
  assert "no list train_labeled" in said


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


def test_values_that_are_no_indices(folder):
  (folder.root / "classes.json").unlink()
  for i in range(4):
    folder.image(f"{i}.png")
    folder.mask(f"{i}.png", 200 * MASK)
  with pytest.raises(errors.DataError, match="values 0, 200") as error:
    new_folder.write(folder.root, split=(0.5, 0.25, 0.25))
  offered = str(error.value).partition("such as ")[2]
  folder.path("classes.json").write_text(offered)
  new_folder.write(folder.root, split=(0.5, 0.25, 0.25))
  for label in folder.labels().values():
    np.testing.assert_array_equal(label, MASK)


@pytest.mark.parametrize("drawn", [
    MASK, np.stack([200 * MASK, 0 * MASK, 0 * MASK], 2)])
def test_names_without_the_background(folder, drawn):
  (folder.root / "classes.json").unlink()
  folder.image("a.png")
  folder.mask("a.png", drawn)
  new_folder.write(folder.root, split=(1, 0, 0), classes=["leaf"])
  assert folder.load().spec.class_names == ("background", "leaf")
  np.testing.assert_array_equal(folder.labels("train_labeled")["a"], MASK)


def test_negative_values_and_one_colour_image_among_gray_ones(folder):
  (folder.root / "classes.json").unlink()
  for i in range(30):
    Image.new("L", (8, 6)).save(folder.path(f"images/{i:02}.png"))
  assert folder.load().spec.channels == 1
  folder.image("29.png")
  assert folder.load().spec.channels == 3
  folder.mask("29.tif", MASK.astype(np.int32) - 1)
  with pytest.raises(errors.DataError, match="values -1, 0"):
    new_folder.write(folder.root, split=(1, 0, 0))


def test_masks_with_a_suffix_and_among_the_images(folder):
  (folder.root / "classes.json").unlink()
  for i in range(4):
    folder.image(f"{i}.png")
    folder.mask(f"{i}_mask.png")
  new_folder.write(folder.root, split=(0.5, 0.25, 0.25))
  for label in folder.labels().values():
    np.testing.assert_array_equal(label, MASK)
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
  line, = folder_set.unlisted(str(folder.root), folder.load())
  assert line == "1 images are in no list and not used: 9"


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

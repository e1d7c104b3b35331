"""Folders as people bring them: classes, values of masks, flips."""

import json
import re

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import errors
from semseg_jax.data import flips
from semseg_jax.data import new_folder
from semseg_jax.data import statistics
from semseg_jax.data import transforms
from semseg_jax.data.sets import folder as folder_set
from tests.data import own_folder

MASK = own_folder.MASK


@pytest.fixture
def folder(tmp_path):
  return own_folder.Folder(tmp_path / "mine")


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
    ({"classes": ["a", ""]}, "'classes' has an empty name"),
    ({"classes": ["a", "b"], "ignore_index": 1}, "'ignore_index' is 1.*class"),
    ({"classes": ["a", "b"], "ignore_index": 2.5}, "'ignore_index' is 2.5"),
    ({"classes": ["a", "b"], "ignore_index": None}, "'ignore_index' is None"),
    ({"classes": ["a", "b"], "colours": [[0, 0, 0]]}, "2 classes, but 1 col"),
    ({"classes": ["a", "b"], "colours": ["#000", "#fff"]}, "'colours' needs"),
    ({"classes": ["a", "b"], "colours": [[0, 0, 0], [.5, 1, 0]]},
     "'colours' needs"),
    ({"classes": ["a", "b"], "ignored_index": 3}, "'ignore_index' is meant"),
    ({"classes": ["a", "b"], "channels": 4}, "'channels' is 4"),
    ({"classes": ["a", "b"], "colours": [[0] * 3, [9] * 3],
      "colors": [[0] * 3, [9] * 3]}, "'colours' and 'colors'.*keep one"),
    ({"classes": ["a", "b"], "values": {"0": 0, "255": 1.5}}, "'values' maps"),
    ({"classes": ["a", "b"], "values": {"0": 0, "-1": 1}}, "'values' maps"),
    ({"classes": ["a", "b"], "values": [0, 1]}, "'values' maps"),
    ({"classes": ["a", "b"], "values": {"0": 0, "9": 2}}, "names class 2"),
    ({"classes": ["a", "b"], "ignore_colours": [[300, 0, 0]]},
     "'ignore_colours' is a list"),
    ({"classes": ["a", "b"], "ignore_colours": [9, 9, 9]},
     "'ignore_colours' is a list"),
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


def test_masks_of_0_and_255_in_one_split(folder, caplog):
  for name, factor in (("a", 1), ("b", 255)):
    folder.image(f"{name}.png")
    folder.mask(f"{name}.png", factor * MASK)
  folder.lists(train_labeled=["a"], test=["b"])
  dataset = folder.load()
  said = statistics.warnings(dataset, statistics.summarize(dataset))
  line, = (x for x in said if "255 alone" in x)
  assert line.startswith("test: masks hold 0 and 255 alone")
  statistics.check_values(dataset)
  assert line in caplog.text
  folder.classes(values={"0": 0, "1": 1, "255": 1})
  caplog.clear()
  statistics.check_values(folder.load())
  assert "255 alone" not in caplog.text


def test_masks_of_one_bit_beside_0_and_255(folder):
  """White is 1 in some and 255 in others: the same class."""
  (folder.root / "classes.json").unlink()
  for i in range(4):
    folder.image(f"{i}.png")
    image = Image.fromarray(255 * MASK)
    image.convert("1" if i % 2 else "L").save(folder.path(f"masks/{i}.png"))
  said = new_folder.write(folder.root, split=(0.5, 0.25, 0.25))
  assert "masks hold 0 and 1, or 0 and 255: read as" in "\n".join(said)
  for split in own_folder.SPLITS:
    for label in folder.labels(split).values():
      np.testing.assert_array_equal(label, MASK)


def painted(folder, name, indices, colors):
  image = Image.fromarray(indices)
  image.putpalette(np.ravel(colors).tolist())
  image.save(folder.path(f"masks/{name}.png"))
  folder.image(f"{name}.png")


def test_palettes_of_the_masks(folder):
  """Files whose palettes are in order of appearance agree on no index."""
  (folder.root / "classes.json").unlink()
  colors = [[0, 0, 0], [0, 200, 0], [200, 0, 200]]
  painted(folder, "a", MASK, colors)
  painted(folder, "b", 2 * MASK, colors)
  new_folder.write(folder.root, split=(1, 0, 0))
  content = json.loads((folder.root / "classes.json").read_text())
  assert content["colours"] == colors
  (folder.root / "classes.json").unlink()
  painted(folder, "b", MASK, [colors[0], colors[2]])
  with pytest.raises(errors.DataError, match=(
      r"b\.png: index 1 has the colour \(200, 0, 200\).*a\.png")):
    new_folder.write(folder.root, split=(1, 0, 0))
  folder.classes(["ground", "leaf", "spot"], colours=colors, masks="colours")
  np.testing.assert_array_equal(folder.labels("train_labeled")["b"], 2 * MASK)


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_a_black_mask_among_colored_ones_is_black(folder, mode):
  (folder.root / "classes.json").unlink()
  zero = np.zeros_like(MASK)
  for name in "ab":
    folder.image(f"{name}.png")
  folder.mask("a.png", np.stack([255 * MASK, zero, 255 - 255 * MASK], 2))
  Image.new(mode, (8, 6)).save(folder.path("masks/b.png"))
  new_folder.write(folder.root, split=(1, 0, 0))
  dataset = folder.load()
  assert dataset.spec.class_names == (
      "background", "colour_0000ff", "colour_ff0000")
  labels = folder.labels("train_labeled")
  np.testing.assert_array_equal(labels["a"], 1 + MASK)
  np.testing.assert_array_equal(labels["b"], zero)
  content = json.loads((folder.root / "classes.json").read_text())
  for name in ("classes", "colours"):
    del content[name][0]
  (folder.root / "classes.json").write_text(json.dumps(content))
  with pytest.raises(errors.DataError, match=r"b\.png: colour \(0, 0, 0\)"):
    folder.load()


@pytest.mark.parametrize(("text", "message"), [
    ("{", "volumes.json: not valid JSON"),
    ('["a"]', "volumes.json: give an object"),
    ('{"a": 1}', "volumes.json: give an object")])
def test_a_list_of_volumes_that_is_none(folder, text, message):
  folder.image("a.png")
  folder.mask("a.png")
  folder.path("volumes.json").write_text(text)
  with pytest.raises(errors.DataError, match=message):
    new_folder.write(folder.root, split=(1.0, 0.0, 0.0))


@pytest.mark.parametrize("ending", ["", ".PNG"])
def test_slices_of_a_volume_are_divided_together(folder, ending):
  """Neighbours are alike: a score on some, trained on others, says little."""
  of = {f"{patient}_{k}": patient for patient in "abcdef" for k in range(4)}
  for name in of:
    folder.image(f"{name}.png")
    folder.mask(f"{name}.png")
  folder.path("volumes.json").write_text(json.dumps(
      {f"{name}{ending}": volume for name, volume in of.items()}))
  said = new_folder.write(folder.root, split=(0.5, 0.2, 0.3))
  assert "train_labeled 3, val 1, test 2" in "\n".join(said)
  dataset = folder.load()
  parts = [set(source.volumes) for source in dataset.splits.values()]
  assert sum(map(len, parts)) == len(set().union(*parts)) == 6
  assert sum(map(len, dataset.splits.values())) == len(of)
  assert not statistics.volumes_in_two(dataset)
  lists = folder.root / "splits"
  (lists / "test.txt").write_text("a_0\n")
  (lists / "train_labeled.txt").write_text("a_1\nb_1\n")
  (lists / "val.txt").write_text("c_1\n")
  said = "\n".join(statistics.warnings(
      folder.load(), statistics.summarize(folder.load())))
  assert "1 volume has slices in train_labeled and in test: a" in said


def test_one_class_and_no_training_images_are_said(folder):
  folder.image("a.png")
  folder.mask("a.png", 0 * MASK)
  folder.lists(test=["a"])
  folder.classes(["ground"])
  dataset = folder.load()
  said = "\n".join(statistics.warnings(dataset, statistics.summarize(dataset)))
  assert "one class alone" in said
  assert "no list train_labeled" in said


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


@pytest.mark.parametrize("values", [
    np.arange(0, 256, 6), np.arange(256), np.arange(300, 350)])
def test_smoothed_and_instance_masks(folder, values):
  (folder.root / "classes.json").unlink()
  for i, part in enumerate(np.array_split(values, 2)):
    folder.image(f"{i}.png")
    Image.fromarray(part[None].astype(np.uint16)).save(
        folder.path(f"masks/{i}.png"))
  with pytest.raises(errors.DataError, match="smoothed or instance") as error:
    new_folder.write(folder.root, split=(0.5, 0.5, 0))
  assert len(str(error.value)) < 300


@pytest.mark.parametrize("drawn", [MASK, 7 * MASK, 2 * MASK + 1])
def test_fewer_classes_than_masks_hold(folder, drawn):
  folder.image("a.png")
  folder.mask("a.png", drawn)
  folder.lists(train_labeled=["a"])
  folder.classes(["ground"])
  with pytest.raises(errors.DataError, match="names fewer classes") as error:
    folder.load()
  folder.path("classes.json").write_text(
      "{" + str(error.value).partition("as in ")[2] + "}")
  label = folder.labels("train_labeled")["a"]
  assert (label != label[0, 0]).sum() == MASK.sum()


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


def test_one_colour_image_among_many_gray_ones(folder):
  (folder.root / "classes.json").unlink()
  for i in range(41):
    Image.new("L", (8, 6)).save(folder.path(f"images/{i:02}.png"))
  folder.image("03.png")
  dataset = folder.load()
  assert dataset.spec.channels == 1  # a look at some
  line, = folder_set.remarks(str(folder.root), dataset)
  assert "1 of 41 images are in colour and read as gray (03)" in line
  folder.mask("03.png")
  notes = new_folder.write(folder.root, split=(1, 0, 0))
  assert any("(03), so all are read as RGB" in x for x in notes)
  dataset = folder.load()
  assert dataset.spec.channels == 3
  assert not folder_set.remarks(str(folder.root), dataset)


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


@pytest.mark.parametrize("value", [False, None, "", 0, [], {}])
def test_flip_without_a_rule_is_not_taken_for_free_flips(folder, value):
  folder.image("a.png")
  folder.mask("a.png")
  folder.lists(train_labeled=["a"])
  folder.classes(("ground", "leaf"), flip=value)
  said = re.escape(f"classes.json: 'flip' is {json.dumps(value)}; write")
  with pytest.raises(errors.DataError, match=f'{said} "none" .no flips'):
    folder.load()

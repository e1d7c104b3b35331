"""Masks painted by hand: both formats, and every mistake by name."""

import json

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import painted

SPEC = datasets.Spec("toy", ("rest", "eye", "nose"), np.array(
    [[0, 0, 0], [250, 0, 0], [0, 250, 0]], np.uint8))


def image(folder, name, size=(6, 4)):
  Image.new("RGB", size, (9, 9, 9)).save(folder / f"{name}.png")


def mask(folder, name, values, mode="L"):
  Image.fromarray(np.asarray(values, np.uint8)).convert(mode).save(
      folder / f"{name}_mask.png")


def labelme(folder, name, *shapes, size=(6, 4)):
  (folder / f"{name}.json").write_text(json.dumps({
      "imageWidth": size[0], "imageHeight": size[1], "shapes": [
          {"label": label, "shape_type": kind, "points": points}
          for label, kind, points in shapes]}))


@pytest.fixture
def folder(tmp_path):
  for name in ("a", "b", "c"):
    image(tmp_path, name)
  (tmp_path / "classes.json").write_text("{}")  # not LabelMe's
  return tmp_path


def test_both_formats(folder):
  values = np.arange(24).reshape(4, 6) % 3
  values[0, 0] = 255
  mask(folder, "a", values)
  labelme(folder, "c",
          ("eye", "polygon", [[0, 0], [5, 0], [5, 3], [0, 3]]),
          ("nose", "rectangle", [[3, 2], [2, 1]]),
          ("__ignore__", "rectangle", [[5, 3], [5, 3]]))
  assert painted.names(folder) == ("a", "c")
  example = painted.read(folder, "a", SPEC)
  np.testing.assert_array_equal(example["label"], values)
  assert example["image"].shape == (4, 6, 3)
  expected = np.ones((4, 6), np.uint8)
  expected[1:3, 2:4] = 2
  expected[3, 5] = 255
  np.testing.assert_array_equal(
      painted.read(folder, "c", SPEC)["label"], expected)


def test_a_mask_may_be_painted_in_the_colours_of_the_classes(folder):
  values = np.arange(24).reshape(4, 6) % 3
  Image.fromarray(SPEC.colors[values]).save(folder / "a_mask.png")
  np.testing.assert_array_equal(
      painted.read(folder, "a", SPEC)["label"], values)


def test_values_stand_for_classes_as_in_a_folder_of_masks(folder):
  (folder / "classes.json").write_text(json.dumps({
      "classes": ["rest", "eye"], "values": {"0": 0, "255": 1}}))
  spec = painted.spec(folder, 2)
  mask(folder, "a", [[0, 255, 0, 0, 0, 0]] * 4)
  example, = painted.read_all(folder, ("a",), spec)
  np.testing.assert_array_equal(example["label"], [[0, 1, 0, 0, 0, 0]] * 4)


@pytest.mark.parametrize(("prepare", "message"), [
    (lambda f: None, r"a\.png has no mask: paint a_mask\.png"),
    (lambda f: mask(f, "a", np.full((4, 6), 3)),
     r"a_mask\.png: class index 3, but there are 3 classes"),
    (lambda f: mask(f, "a", np.zeros((4, 7))), r"a_mask\.png: 7 x 4.* 6 x 4"),
    (lambda f: Image.new("RGB", (6, 4), (1, 2, 1)).save(f / "a_mask.png"),
     r"a_mask\.png: .*\(1, 2, 1\)"),
    (lambda f: (f / "a_mask.png").write_bytes(b"no"), "not a readable"),
    (lambda f: labelme(f, "a", ("ear", "polygon", [[0, 0], [1, 0], [1, 1]])),
     r"label 'ear' is no class.* rest, eye, nose"),
    (lambda f: labelme(f, "a", size=(7, 4)), r"a\.json: 7 x 4.* 6 x 4"),
    (lambda f: labelme(f, "a", ("eye", "line", [[0, 0], [1, 0]])),
     "a line .eye. encloses no area"),
    (lambda f: (f / "a.json").write_text('{"shapes": [1]}'),
     "not a LabelMe file"),
])
def test_mistakes_name_the_file(folder, prepare, message):
  prepare(folder)
  with pytest.raises(errors.DataError, match=message):
    painted.read(folder, "a", SPEC)


@pytest.mark.parametrize(("prepare", "message"), [
    (lambda f: mask(f, "z", np.zeros((4, 6))), r"mask of z, but no image"),
    (lambda f: (mask(f, "a", np.zeros((4, 6))), labelme(f, "a")),
     "a has two masks"),
    (lambda f: (f / "a.json").write_text("{"), r"a\.json: not valid JSON"),
    (lambda f: image(f, "a_MASK"), r"a_MASK\.png: masks are read from"),
    (lambda f: (f / "a_mask.jpg").write_bytes(b""), r"from <name>_mask\.png"),
])
def test_mistakes_of_the_folder(folder, prepare, message):
  prepare(folder)
  with pytest.raises(errors.DataError, match=message):
    painted.names(folder)


def test_two_classes_painted_with_0_and_255(folder):
  spec = datasets.Spec("toy", ("rest", "eye"), np.zeros((2, 3), np.uint8))
  for name in ("a", "b"):
    mask(folder, name, [[0, 255, 0, 0, 0, 0]] * 4)
  with pytest.raises(errors.DataError, match=(
      "hold 0 and 255 alone.*'eye' in its colour or with the value 1")):
    painted.read_all(folder, ("a", "b"), spec)
  # Ignored pixels beside an object of another image, or of more classes.
  assert len(painted.read_all(folder, ("a", "b"), SPEC)) == 2
  mask(folder, "b", [[1, 255, 0, 0, 0, 0]] * 4)
  assert len(painted.read_all(folder, ("a", "b"), spec)) == 2


def test_files_of_a_paint_program_are_left_alone(folder):
  (folder / "a_mask.xcf").write_bytes(b"gimp xcf")
  assert painted.names(folder) == ()


def test_hidden_files_of_macos_are_left_alone(folder):
  mask(folder, "a", np.zeros((4, 6)))
  before = painted.digest(folder)
  for name in ("a_mask.png", "classes.json", "a.json", "a_mask.jpg"):
    (folder / f"._{name}").write_bytes(b"\0\5\x16\7")
  assert painted.names(folder) == ("a",)
  assert painted.digest(folder) == before


def test_no_folder(tmp_path):
  with pytest.raises(errors.DataError, match="no such folder"):
    painted.names(tmp_path / "none")

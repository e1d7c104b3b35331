"""LabelMe files: what was drawn, or one line that names the mistake."""

import numpy as np
import pytest

from semseg_jax.data import errors
from semseg_jax.data import new_folder
from semseg_jax.data.formats import layout
from tests.data import annotated


def test_labelme_circle_mask_and_ignored(tmp_path):
  region = np.zeros((3, 4), bool)
  region[1, 1:] = True
  annotated.labelme(tmp_path, shapes=[
      ("leaf", "circle", [[5, 4], [5, 6]]),
      ("spot", "mask", [[1, 2], [4, 4]],
       {"mask": annotated.encoded_mask(region)}),
      ("__ignore__", "rectangle", [[11, 7], [11, 7]])])
  mask = annotated.mask_of(tmp_path)
  assert (mask[4, 3:8] == 1).all()
  assert (mask == 1).sum() == pytest.approx(np.pi * 4, rel=0.6)
  np.testing.assert_array_equal(np.argwhere(mask == 2),
                                [[3, 2], [3, 3], [3, 4]])
  assert mask[7, 11] == 255


@pytest.mark.parametrize(("shape", "message"), [
    (("leaf", "line", [[0, 0], [3, 3]]), "a line .*encloses no area"),
    (("leaf", "point", [[0, 0]]), "a point .*encloses no area"),
    (("leaf", "linestrip", [[0, 0], [3, 3], [4, 4]]), "encloses no area"),
    (("leaf", "polygon", [[0, 0], [3, 3]]), "a polygon of 2 points"),
    (("leaf", "cube", [[0, 0], [3, 3]]), "a cube of 2 points"),
    ((None, "rectangle", [[0, 0], [3, 3]]), "label is None"),
    (("tree", "rectangle", [[0, 0], [3, 3]]), "label 'tree' is no class"),
    (("leaf", "rectangle", [[0, 0], [1e9, 3]]), "far outside"),
    (("leaf", "rectangle", [[0, 0], [float("nan"), 3]]), "far outside"),
    (("leaf", "mask", [[0, 0], [3, 3]], {"mask": "no"}), "a mask"),
    (("leaf", "mask", [[9, 6], [13, 9]],
      {"mask": annotated.encoded_mask(np.ones((4, 5), bool))}), "lies outside"),
])
def test_labelme_mistakes(tmp_path, shape, message):
  annotated.labelme(tmp_path, shapes=[shape])
  with pytest.raises(errors.DataError, match=rf"a\.json.*{message}"):
    annotated.mask_of(tmp_path)


@pytest.mark.parametrize("path", ["a.jpg", "pics\\a.jpg", "../pics/a.jpg", ""])
def test_labelme_files_find_their_image(tmp_path, path):
  annotated.labelme(tmp_path, imagePath=path)
  assert list(layout.find(tmp_path).items) == ["a"]


@pytest.mark.parametrize("more", [
    {"imageWidth": None, "imageHeight": None},
    {"flags": None, "imageData": None, "imagePath": "C:\\Users\\me\\a.jpg"}])
def test_labelme_of_other_versions(tmp_path, more):
  annotated.labelme(tmp_path, **more)
  np.testing.assert_array_equal(annotated.mask_of(tmp_path), annotated.EXPECTED)


def test_labelme_shapes_that_reach_over_the_edge(tmp_path):
  annotated.labelme(tmp_path, shapes=[
      ("leaf", "polygon", [[-9, -9], [40, -9], [40, 3], [-9, 3]])])
  mask = annotated.mask_of(tmp_path)
  assert mask[:4].all()
  assert not mask[4:].any()


def test_labels_that_differ_in_spelling_alone_are_named(tmp_path):
  annotated.labelme(tmp_path, "a")
  annotated.labelme(tmp_path, "b", [("Leaf ", "rectangle", [[1, 1], [3, 3]])])
  notes = new_folder.write(tmp_path, split=(0.5, 0.5, 0))
  assert any("'Leaf ', 'leaf' are classes of their own" in n for n in notes)


def test_labelme_without_image(tmp_path):
  annotated.labelme(tmp_path)
  (tmp_path / "a.jpg").unlink()
  annotated.image(tmp_path, "b.jpg")
  with pytest.raises(errors.DataError, match=r"a\.json: belongs to 'a\.jpg'"
                     r"|a\.json: belongs to a\.jpg"):
    layout.find(tmp_path)


def test_coordinates_as_fractions_are_refused(tmp_path):
  annotated.labelme(tmp_path, shapes=[
      ("leaf", "polygon", [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]])])
  with pytest.raises(errors.DataError, match=r"a\.json.*within \[0, 1\]"):
    annotated.mask_of(tmp_path)


def test_what_labelme_exports_beside_a_file_is_no_image(tmp_path):
  annotated.labelme(tmp_path)
  annotated.image(tmp_path, "a_json/label.png")
  assert "unlabeled.txt" not in " ".join(
      new_folder.write(tmp_path, split=(1, 0, 0)))


def test_background_in_any_case(tmp_path):
  annotated.labelme(tmp_path, shapes=[
      ("leaf", "rectangle", [[0, 0], [11, 7]]),
      ("Background", "rectangle", [[0, 0], [11, 3]])])
  mask = annotated.mask_of(tmp_path)
  assert mask[:4].max() == 0
  assert mask[4:].min() == 1

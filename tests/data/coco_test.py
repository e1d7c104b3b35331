"""COCO files: what was drawn, or one line that names the mistake."""

import json
import math

import numpy as np
import pytest

from semseg_jax.data import errors
from semseg_jax.data.formats import layout
from tests.data import annotated

SIZE = annotated.H, annotated.W


def columns(region):
  """Run lengths of a mask down its columns, starting with zeros."""
  flat = region.T.ravel()
  ends = np.flatnonzero(np.diff(np.concatenate([[0], flat, [2]])))
  return np.diff(np.concatenate([[0], ends])).tolist()


def packed(counts):
  mask = pytest.importorskip("pycocotools.mask")
  runs = mask.frPyObjects({"size": list(SIZE), "counts": counts}, *SIZE)
  return runs["counts"].decode()


@pytest.mark.parametrize("form", [list, packed])
def test_coco_run_lengths_and_crowds(tmp_path, form):
  annotated.image(tmp_path, "a.jpg")
  leaf, spot = annotated.EXPECTED > 0, annotated.EXPECTED == 2
  runs = lambda region: {"size": [*SIZE], "counts": form(
      columns(region.astype(int)))}
  annotated.write(tmp_path, "instances.json", annotated.coco_file([
      (90, {"segmentation": runs(spot)}),
      (3, {"segmentation": runs(leaf), "iscrowd": 1})]))
  np.testing.assert_array_equal(annotated.mask_of(tmp_path), annotated.EXPECTED)


@pytest.mark.parametrize(("segmentation", "message"), [
    ({"size": [*SIZE], "counts": [3, 4]}, "run lengths"),
    ({"size": [*SIZE], "counts": [-3, math.prod(SIZE) + 3]}, "run lengths"),
    ({"size": [*SIZE], "counts": "~~"}, "run lengths"),
    ({"size": [*SIZE], "counts": 30 * "o"}, "run lengths"),
    ({"size": [1 << 20, 1 << 20], "counts": []}, "run lengths of"),
    ([[1, 2, 3, 4]], "less than three"),
    ([[0, 0, 1e12, 0, 1e12, 1e12]], "far outside"),
    (5, "neither polygons"),
])
def test_coco_mistakes(tmp_path, segmentation, message):
  annotated.image(tmp_path, "a.jpg")
  annotated.write(tmp_path, "i.json", annotated.coco_file(
      [(3, {"segmentation": segmentation})]))
  with pytest.raises(errors.DataError, match=rf"i\.json.*{message}"):
    annotated.mask_of(tmp_path)


def test_coco_without_sizes_and_with_turned_boxes(tmp_path):
  annotated.coco(tmp_path)
  path = tmp_path / "annotations/instances.json"
  content = json.loads(path.read_text())
  content["images"] = [{"id": 7, "file_name": "a.jpg"}]
  path.write_text(json.dumps(content))
  np.testing.assert_array_equal(annotated.mask_of(tmp_path), annotated.EXPECTED)
  content["annotations"] = [{
      "id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 1, 3, 3],
      "segmentation": [], "attributes": {"rotation": 30.0}}]
  path.write_text(json.dumps(content))
  with pytest.raises(errors.DataError, match="turned by 30.0 degrees"):
    annotated.mask_of(tmp_path)


@pytest.mark.parametrize(("category", "names", "more", "message"), [
    (4, ["a.jpg"], {}, "category 4"),
    (3, ["b.jpg"], {}, r"lists 'b\.jpg'"),
    (3, ["../b.jpg"], {}, r"lists '\.\./b\.jpg'"),
    (3, ["a.jpg", "a.jpg"], {}, "twice"),
    (3, ["a.jpg"], {"images": []}, "image 7.*does not list"),
    (3, ["a.jpg"], {"categories": [1]}, "not a COCO file"),
])
def test_coco_files_that_contradict_themselves(
    tmp_path, category, names, more, message):
  annotated.image(tmp_path, "a.jpg")
  content = annotated.coco_file([(category, annotated.LEAF)], names)
  annotated.write(tmp_path, "i.json", content | more)
  with pytest.raises(errors.DataError, match=rf"i\.json.*{message}"):
    layout.find(tmp_path)


@pytest.mark.parametrize("name", [
    "../x/a.jpg", "/home/me/a.jpg", "C:\\me\\a.jpg", "https://x.org/y/a.jpg"])
def test_names_of_other_machines_and_ids_as_text(tmp_path, name):
  annotated.coco(tmp_path)
  content = annotated.coco_file(
      [(3, annotated.LEAF), (90, annotated.SPOT)], (name,))
  content["annotations"][0] |= {"image_id": "7", "category_id": 3.0}
  annotated.write(tmp_path, "annotations/instances.json", content)
  np.testing.assert_array_equal(annotated.mask_of(tmp_path), annotated.EXPECTED)


@pytest.mark.parametrize("name", ["", ".", "..", "/", "x/.."])
def test_images_without_a_name(tmp_path, name):
  annotated.image(tmp_path, "a.jpg")
  annotated.write(
      tmp_path, "i.json", annotated.coco_file([(3, annotated.LEAF)], (name,)))
  with pytest.raises(errors.DataError, match=r"i\.json: .*without a name"):
    layout.find(tmp_path)


def test_coco_splits_boxes_and_empty_images(tmp_path):
  for split, name in (("train", "a"), ("valid", "b"), ("test", "c")):
    annotated.image(tmp_path, f"{split}/{name}.jpg")
    content = annotated.coco_file(
        [(3, {"bbox": [2, 1, 3, 2], "segmentation": []})] * (split == "train"),
        (f"{name}.jpg",))
    annotated.write(tmp_path, f"{split}/_annotations.coco.json", content)
  data = layout.find(tmp_path)
  assert data.splits == {"train_labeled": ("train/a",), "val": ("valid/b",),
                          "test": ("test/c",)}
  mask = annotated.mask_of(tmp_path, name="train/a")
  assert np.argwhere(mask).min(0).tolist() == [1, 2]
  assert (mask == 1).sum() == 6
  assert any("box alone" in n for n in data.notes)
  assert any("no annotation" in n for n in data.notes)

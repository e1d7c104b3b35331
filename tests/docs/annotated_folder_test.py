"""docs/annotated_folder.md, done literally with 40 photographs.

Only the config's argument differs: `smoke` for `cpu`, a few steps.
"""

import json
import pathlib
import re

import numpy as np
from PIL import Image
import pytest

from tests.docs import tutorial_test as tutorial

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_PAGE = (_ROOT / "docs/annotated_folder.md").read_text()
_SIZE = (96, 64)
_LEAF, _SPOT = ((20, 10, 70, 10, 70, 50, 20, 50), (40, 20, 60, 20, 50, 40))


def _photograph(path, seed):
  """A leaf with a spot where the polygons are, and some noise."""
  rng = np.random.default_rng(seed)
  pixels = rng.integers(0, 60, (_SIZE[1], _SIZE[0], 3))
  pixels[10:50, 20:70, 1] += 140
  pixels[22:32, 44:56, 0] += 140
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(pixels.astype(np.uint8)).save(path)


def _labelme(root):
  """40 photographs, 34 of them with a file of LabelMe."""
  for i in range(40):
    _photograph(root / f"IMG_{i:04}.JPG", i)
    if i >= 34:
      continue
    (root / f"IMG_{i:04}.json").write_text(json.dumps({
        "version": "5.4.1", "flags": {}, "imagePath": f"IMG_{i:04}.JPG",
        "imageData": None, "imageWidth": _SIZE[0], "imageHeight": _SIZE[1],
        "shapes": [{
            "label": label, "shape_type": "polygon", "flags": {},
            "group_id": None, "points": np.reshape(points, (-1, 2)).tolist()}
                   for label, points in (("leaf", _LEAF), ("spot", _SPOT))]}))


def _coco(root):
  """40 photographs, all in one file, 34 of them annotated."""
  images = [{"id": 100 + i, "file_name": f"IMG_{i:04}.jpg", "width": _SIZE[0],
             "height": _SIZE[1]} for i in range(40)]
  for i, image in enumerate(images):
    _photograph(root / "images" / image["file_name"], i)
  (root / "annotations").mkdir()
  (root / "annotations/instances.json").write_text(json.dumps({
      "images": images[:34],
      "categories": [{"id": 5, "name": "leaf"}, {"id": 8, "name": "spot"}],
      "annotations": [
          {"id": 2 * i + k, "image_id": image["id"], "category_id": category,
           "iscrowd": 0, "area": 1, "bbox": [0, 0, 1, 1],
           "segmentation": [list(points)]}
          for i, image in enumerate(images[:34])
          for k, (category, points) in enumerate(((5, _LEAF), (8, _SPOT)))]}))


@pytest.fixture(params=[_labelme, _coco], ids=["labelme", "coco"])
def checkout(request, tmp_path):
  for name in ("configs", "semseg_jax"):
    (tmp_path / name).symlink_to(_ROOT / name)
  request.param(tmp_path / "my_photos")
  return tmp_path


def _prepared(checkout):
  (prepare,) = tutorial.blocks(_PAGE, 2)
  return tutorial.run(prepare, checkout, f"export XDG_CACHE_HOME={checkout}/x")


def test_lists_and_classes_are_written(checkout):
  printed = _prepared(checkout)
  assert "3 classes (background, leaf, spot)" in printed
  counts = dict(re.findall(r"^(\w+) +(\d+) +96 x 64", printed, re.MULTILINE))
  assert counts == {
      "test": "5", "train_labeled": "24", "unlabeled": "30", "val": "5"}
  assert "warning" not in printed
  (next_command,) = re.findall(r"semseg-jax train (\S+)", printed)
  assert "classes=3,channels=3,fitted,cpu" in next_command
  # The page's table is the one that is printed.
  assert re.search(r"```text\n(my_photos: .*)", _PAGE)[1] in printed


def _walk(checkout):
  _prepared(checkout)
  train, label = tutorial.blocks(_PAGE, 3)[0], tutorial.blocks(_PAGE, 4)[0]
  assert ",cpu\n" in train
  cache = f"export XDG_CACHE_HOME={checkout}/x"
  printed = tutorial.run(train.replace(",cpu\n", ",smoke\n"), checkout, cache)
  assert "supervised" in printed
  assert "leaf" in (checkout / "runs/first/report.html").read_text()
  _photograph(checkout / "new_photos/a.jpg", 99)
  tutorial.run(label, checkout, cache)
  mask = np.asarray(Image.open(checkout / "new_labels/a_index.png"))
  assert mask.shape == _SIZE[::-1]
  assert set(np.unique(mask)) <= {0, 1, 2}


@pytest.mark.parametrize("checkout", [_labelme], indirect=True)
def test_labelme_files_lead_to_labeled_images(checkout):
  _walk(checkout)


@pytest.mark.slow
@pytest.mark.parametrize("checkout", [_coco], indirect=True)
def test_coco_files_lead_to_labeled_images(checkout):
  _walk(checkout)

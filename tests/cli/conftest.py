"""A small data set of one's own, for the tests of users' mistakes."""

import json

import numpy as np
from PIL import Image
import pytest

NAMES = [f"p{i}" for i in range(6)]


@pytest.fixture
def data(tmp_path):
  """A `folder` data set of six 16 px images with two classes."""
  root = tmp_path / "data"
  for name in ("images", "masks", "splits"):
    (root / name).mkdir(parents=True)
  rng = np.random.default_rng(0)
  for name in NAMES:
    Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(
        root / f"images/{name}.png")
    Image.fromarray(rng.integers(0, 2, (16, 16)).astype(np.uint8)).save(
        root / f"masks/{name}.png")
  for split, names in (("train_labeled", NAMES[:4]), ("val", NAMES[4:5]),
                       ("test", NAMES[5:])):
    (root / f"splits/{split}.txt").write_text("\n".join(names))
  (root / "classes.json").write_text(json.dumps({
      "classes": ["background", "leaf"], "colours": [[0, 0, 0], [0, 176, 0]],
      "ignore_index": 255}))
  return root

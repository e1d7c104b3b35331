"""A folder of images and masks as people bring it, for tests."""

import json

import numpy as np
from PIL import Image

from semseg_jax.data import datasets

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

"""`pascal_context`: whole scenes of VOC 2010: background and 59 classes.

  VOCdevkit/VOC2010/JPEGImages/<id>.jpg
  VOCdevkit/VOC2010/ImageSets/Main/{train,val}.txt
  trainval/<id>.mat                     LabelMap, indices into labels.txt
  labels.txt                            "<index>: <name>", 459 of them

Class c is the c-th of the 59 by its index in labels.txt, which is their
alphabetical order; all other names are background, class 0. Variant "59":
background is ignored and the classes count from 0. Splits `train` (4998;
s4GAN's list has 4996) and `val` (5105).
"""

import numpy as np

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import image_files
from semseg_jax.data import matlab
from semseg_jax.data import pascal
from semseg_jax.data import store

VARIANTS = ("59",)
CLASSES = (
    "aeroplane", "bag", "bed", "bedclothes", "bench", "bicycle", "bird",
    "boat", "book", "bottle", "building", "bus", "cabinet", "car", "cat",
    "ceiling", "chair", "cloth", "computer", "cow", "cup", "curtain", "dog",
    "door", "fence", "floor", "flower", "food", "grass", "ground", "horse",
    "keyboard", "light", "motorbike", "mountain", "mouse", "person", "plate",
    "platform", "pottedplant", "road", "rock", "sheep", "shelves", "sidewalk",
    "sign", "sky", "snow", "sofa", "table", "track", "train", "tree", "truck",
    "tvmonitor", "wall", "water", "window", "wood")
_VOC = "VOCdevkit/VOC2010"
ARCHIVE = archives.Archive(
    "pascal_context",
    "the PASCAL VOC challenge 2010's page (training/validation data) and the "
    "PASCAL-Context page (the full annotations and labels.txt)",
    (f"{_VOC}/JPEGImages/*.jpg", f"{_VOC}/ImageSets/Main/train.txt",
     f"{_VOC}/ImageSets/Main/val.txt", "trainval/*.mat", "labels.txt"))


def make(*, data_dir=None, cache_dir=None, variant="", **_):
  """See `datasets.load`."""
  root = ARCHIVE.locate(data_dir)
  table = _table(root / "labels.txt")
  if variant:
    table = np.where(table, table - 1, 255)
  table = table.astype(np.uint8)
  lists = {
      split: id_lists.read(root / _VOC / f"ImageSets/Main/{split}.txt")
      for split in ("train", "val")}
  items = ARCHIVE.items(
      root, f"{_VOC}/JPEGImages/{{id}}.jpg", ["trainval/{id}.mat"],
      optional=True)
  splits = ARCHIVE.listed([i for i in items if i.masks], lists)
  names = CLASSES if variant else ("background", *CLASSES)
  spec = datasets.Spec(
      name=datasets.full_name("pascal_context", variant), class_names=names,
      colors=pascal.palette(60)[60 - len(names):], licence=pascal.LICENCE,
      citation=(
          "Mottaghi et al.: The role of context for object detection and "
          "semantic segmentation in the wild, CVPR 2014; " + pascal.CITATION))

  def read(item, channels):
    del channels
    indices = matlab.load(item.masks[0], "LabelMap")
    if indices.max() >= len(table):
      raise errors.DataError(
          f"{item.masks[0]}: label {indices.max()} is not in labels.txt")
    return image_files.read_bytes(item.image), table[indices]

  sources = store.open_splits(spec, splits, cache_dir=cache_dir, read=read)
  return datasets.Dataset(spec, sources, id_lists.label_orders(
      "pascal_context", sources["train"].ids))


def _table(path):
  """Index of labels.txt -> 1 to 59, or 0 for all other names."""
  lines = (line.partition(":") for line in path.read_text().splitlines())
  try:
    index = {name.strip(): int(i) for i, _, name in lines if name}
  except ValueError as e:
    raise errors.DataError(
        f"{path}: lines are '<index>: <name>' ({e})") from e
  missing = [name for name in CLASSES if name not in index]
  if missing:
    raise errors.DataError(f"{path}: lacks {', '.join(missing)}")
  table = np.zeros(max(index.values()) + 1, np.int64)
  for cls, name in enumerate(CLASSES, 1):
    table[index[name]] = cls
  return table

"""`celeba_landmarks`: aligned CelebA faces with five points, as sparse masks.

  **/img_align_celeba/<nnnnnn>.jpg      178 x 218
  **/list_landmarks_align_celeba.txt    count, names, <file> and 10 numbers
  **/list_eval_partition.txt            <file> and 0, 1 or 2

A point is a disc of radius 2 of its class; class 0 is unknown, as in
Fewshot-SMIS. Splits `train_labeled`, `val` and `test` are the partitions.
Variant "70": Fewshot-SMIS's 71 classes, `unlabeled` and the masks that are
beside the images (see `few_shot`).
"""

import functools

import numpy as np

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import few_shot
from semseg_jax.data import image_files
from semseg_jax.data import store

VARIANTS = ("70",)
_IMAGES = "**/img_align_celeba"
_POINTS = "**/list_landmarks_align_celeba.txt"
_PARTITION = "**/list_eval_partition.txt"
_PARTS = {"0": "train_labeled", "1": "val", "2": "test"}
_RADIUS = 2
_PAGE = "the CelebA project's page (aligned and cropped images, annotations)"
_NAME = "celeba_landmarks"


def make(*, data_dir=None, cache_dir=None, size=None, variant="", **_):
  """See `datasets.load`."""
  points = () if variant else (_POINTS, _PARTITION)
  archive = archives.Archive(_NAME, _PAGE, (f"{_IMAGES}/*.jpg", *points))
  spec = datasets.Spec(
      name=datasets.full_name(_NAME, variant),
      # Which of the 70 a mirror image exchanges is not published.
      flip=None if variant else (0, 2, 1, 3, 5, 4),
      licence="non-commercial research",
      citation=(
          "Liu, Luo, Wang, Tang: Deep learning face attributes in the wild, "
          "ICCV 2015"),
      **(few_shot.classes(71, ("unknown",)) if variant else few_shot.classes(
          6, ("unknown", "left eye", "right eye", "nose", "left mouth corner",
              "right mouth corner"))))
  if variant:
    return few_shot.open_images(
        archive, spec, f"{_IMAGES}/{{id}}.jpg", data_dir=data_dir,
        cache_dir=cache_dir, size=size, expect=202_599)
  root = archive.locate(data_dir)
  items = archive.items(
      root, f"{_IMAGES}/{{id}}.jpg",
      [next(root.glob(_POINTS)).relative_to(root).as_posix()], expect=202_599)
  landmarks = _table(next(root.glob(_POINTS)), 2, 10)
  parts = _table(next(root.glob(_PARTITION)), 0, 1)
  archive.complete(
      root, [i.key for i in items
             if i.key not in landmarks or i.key not in parts],
      "landmarks or a partition", len(items))
  splits = {split: [] for split in _PARTS.values()}
  for item in items:
    splits[_PARTS[parts[item.key][0]]].append(item)
  return datasets.Dataset(spec, store.open_splits(
      spec, splits, cache_dir=cache_dir,
      read=functools.partial(_read, landmarks=landmarks)))


def _table(path, header, columns):
  """Image id -> the words of its line."""
  table = {}
  for line in path.read_text().splitlines()[header:]:
    name, *words = line.split() or [""]
    if not name:
      continue
    if len(words) != columns or (columns == 1 and words[0] not in _PARTS):
      raise errors.DataError(f"{path}: cannot read the line {line!r}")
    table[name.removesuffix(".jpg")] = words
  return table


def _read(item, channels, *, landmarks):
  content = image_files.read_bytes(item.image)
  height, width = image_files.decode_image(
      content, channels, item.image).shape[:2]
  y, x = np.ogrid[:height, :width]
  mask = np.zeros((height, width), np.uint8)
  try:
    points = np.array(landmarks[item.key], float).reshape(-1, 2)
  except ValueError as e:
    raise errors.DataError(f"{item.masks[0]}: {item.key}: {e}") from e
  for cls, (at_x, at_y) in enumerate(points, 1):
    mask[(x - at_x) ** 2 + (y - at_y) ** 2 <= _RADIUS ** 2] = cls
  return content, mask

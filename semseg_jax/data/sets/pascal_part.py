"""`pascal_part/car` and `pascal_part/horse`: single objects with their parts.

  VOCdevkit/VOC2010/JPEGImages/<id>.jpg
  VOCdevkit/VOC2010/ImageSets/Main/{car,horse}_{train,val}.txt
  Annotations_Part/<id>.mat             anno: objects with masks and parts

RepurposeGAN's parts. As SLiMe describes its protocol: objects are cropped to
their boxes; those whose box is covered by another object's for more than 5 % of
its area are dropped, and those narrower or lower than 50 pixels (car) or 32
(horse). Where an object has no part it is body or torso. Splits
`train_labeled` and `test` are VOC's train and val: the papers do not say.
"""

import re

import numpy as np

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import matlab
from semseg_jax.data import pascal
from semseg_jax.data import readers
from semseg_jax.data import store

VARIANTS = ("car", "horse")
# variant -> (smallest side, the class without a part, class -> part names);
# later classes cover earlier ones.
PARTS = {
    "car": (50, "body", {
        "body": r".*side|.*mirror|door_\d+",
        "light": r"headlight_\d+", "plate": r"[fb]liplate",
        "wheel": r"wheel_\d+", "window": r"window_\d+"}),
    "horse": (32, "neck+torso", {
        "head": r"head|[lr]ear|[lr]eye|muzzle|nose|mouth",
        "leg": r"[lr][fb](ho|[ul]leg)", "neck+torso": r"neck|torso",
        "tail": r"tail"})}
_OVERLAP = 0.05
_VOC = "VOCdevkit/VOC2010"
_SPLITS = {"train_labeled": "train", "test": "val"}


def make(*, data_dir=None, cache_dir=None, variant="", **_):
  """See `datasets.load`."""
  if not variant:
    raise errors.DataError(
        f"data.name: pascal_part is {' or '.join(VARIANTS)}: write "
        "pascal_part/car")
  lists = {split: f"{_VOC}/ImageSets/Main/{variant}_{of}.txt"
           for split, of in _SPLITS.items()}
  archive = archives.Archive(
      "pascal_part",
      "the PASCAL-Parts page and the PASCAL VOC challenge 2010's page "
      "(training/validation data)",
      (f"{_VOC}/JPEGImages/*.jpg", "Annotations_Part/*.mat", *lists.values()))
  root = archive.locate(data_dir)
  items = archive.items(
      root, f"{_VOC}/JPEGImages/{{id}}.jpg", ["Annotations_Part/{id}.mat"],
      optional=True)
  splits = archive.listed(
      [i for i in items if i.masks],
      {split: pascal.flagged(root / path) for split, path in lists.items()})
  names = ("background", *PARTS[variant][2])
  spec = datasets.Spec(
      name=f"pascal_part_{variant}", class_names=names,
      colors=pascal.palette(len(names)), licence=pascal.LICENCE,
      citation=(
          "Chen et al.: Detect what you can: Detecting and representing "
          "objects using holistic models and body parts, CVPR 2014; "
          + pascal.CITATION))
  return datasets.Dataset(spec, store.open_splits(
      spec, splits, cache_dir=cache_dir,
      expand=lambda item, channels: _objects(item, channels, variant)))


def _objects(item, channels, variant):
  """(name, image, mask) of every object of the class that is not dropped."""
  smallest, rest, parts = PARTS[variant]
  things = np.atleast_1d(matlab.load(item.masks[0], "anno").objects)
  boxes = [_box(thing.mask) for thing in things]
  image = None
  for k, (thing, box) in enumerate(zip(things, boxes, strict=True)):
    y0, y1, x0, x1 = box
    if (getattr(thing, "class") != variant
        or min(y1 - y0, x1 - x0) < smallest
        or any(_shared(box, other) > _OVERLAP * (y1 - y0) * (x1 - x0)
               for j, other in enumerate(boxes) if j != k)):
      continue
    if image is None:
      image = readers.image(item.image, channels)
    mask = _mask(thing, list(parts), rest, parts.values(), item.masks[0])
    yield (str(k), image_files.encode_png(image[y0:y1, x0:x1]),
           mask[y0:y1, x0:x1])


def _mask(thing, names, rest, patterns, where):
  mask = (thing.mask > 0) * np.uint8(1 + names.index(rest))
  parts = np.atleast_1d(thing.parts)
  kinds = []
  for part in parts:
    fits = [c for c, p in enumerate(patterns, 1)
            if re.fullmatch(p, part.part_name)]
    if not fits:
      raise errors.DataError(f"{where}: unknown part {part.part_name!r}")
    kinds.append(fits[0])
  for kind, part in sorted(zip(kinds, parts, strict=True), key=lambda x: x[0]):
    mask[part.mask > 0] = kind
  return mask


def _box(mask):
  """(top, bottom, left, right), half-open; zeros for an empty mask."""
  rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
  if not len(rows):
    return 0, 0, 0, 0
  return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def _shared(a, b):
  """Area that two boxes have in common."""
  height = min(a[1], b[1]) - max(a[0], b[0])
  width = min(a[3], b[3]) - max(a[2], b[2])
  return max(height, 0) * max(width, 0)

"""`celebamask_hq`: faces in 8 or 19 classes, from the original download.

  CelebA-HQ-img/<n>.jpg  CelebAMask-HQ-mask-anno/<0..14>/<n:05d>_<part>.png

Classes, order and colors of SemanticGAN: both sides merged,
mouth and lips are mouth, glasses are skin, everything else is background.
Variant "19": every part a class, in the authors' order and colors.
The paper's image numbers are not published; these are the ranges that fit its
counts: `unlabeled` 0-27999, `train_labeled` 28000-29499, `test` 29500-29999,
`val` 27500-27999. Smaller label counts take the first images of the list for
split seed 0, random nested subsets for others.
Images (1024 px) and masks (512 px) are stored as squares of one side: 512,
or, where `size` is given, the larger of it and 256, the side of the paper.
"""

import collections
import functools
import pathlib

from absl import logging
import numpy as np

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import flips
from semseg_jax.data import image_files
from semseg_jax.data import store
from semseg_jax.data import transforms

CLASSES = (
    "background", "ear", "eye", "eyebrow", "skin", "hair", "mouth", "nose")
COLORS = (
    (0, 0, 0), (0, 0, 205), (132, 112, 255), (25, 25, 112), (187, 255, 255),
    (102, 205, 170), (227, 207, 87), (142, 142, 56))
# Part files in the order they are painted: a later one covers an earlier one.
PARTS = {
    "skin": 4, "nose": 7, "eye_g": 4, "l_eye": 2, "r_eye": 2, "l_brow": 3,
    "r_brow": 3, "l_ear": 1, "r_ear": 1, "mouth": 6, "u_lip": 6, "l_lip": 6,
    "hair": 5, "hat": 0, "ear_r": 0, "neck_l": 0, "neck": 0, "cloth": 0}
RANGES = {
    "unlabeled": (0, 28000), "val": (27500, 28000),
    "train_labeled": (28000, 29500), "test": (29500, 30000)}
VARIANTS = ("19",)
_COLORS_19 = (
    (0, 0, 0), (204, 0, 0), (76, 153, 0), (204, 204, 0), (51, 51, 255),
    (204, 0, 204), (0, 255, 255), (255, 204, 204), (102, 51, 0), (255, 0, 0),
    (102, 204, 0), (255, 255, 0), (0, 0, 153), (0, 0, 204), (255, 51, 153),
    (0, 204, 204), (0, 51, 0), (255, 153, 51), (0, 204, 0))
_IMAGES = "CelebA-HQ-img"
# Parts that a mirror image exchanges.
_SIDES = {"l_eye": "r_eye", "l_brow": "r_brow", "l_ear": "r_ear"}
_MASKS = "CelebAMask-HQ-mask-anno"
ARCHIVE = archives.Archive(
    "celebamask_hq", "the CelebAMask-HQ project's page",
    (f"{_IMAGES}/*.jpg", f"{_MASKS}/*/*.png"))


def spec(name: str = "celebamask_hq", classes=CLASSES, colors=COLORS, flip=()
         ) -> datasets.Spec:
  """The eight face classes of SemanticGAN, or others."""
  return datasets.Spec(
      name=name, class_names=classes, colors=np.array(colors, np.uint8),
      flip=flip,
      licence="non-commercial research and education",
      citation=(
          "Lee, Liu, Wu, Luo: MaskGAN: Towards diverse and interactive facial "
          "image manipulation, CVPR 2020"))


def make(*, data_dir=None, cache_dir=None, size=None, variant="", **_):
  """See `datasets.load`."""
  if variant:
    names = ("background", *PARTS)
    return open_download(
        spec("celebamask_hq_19", names, _COLORS_19, flips.stated(
            _SIDES, names, "celebamask_hq/19")),
        {part: i for i, part in enumerate(PARTS, 1)},
        data_dir, cache_dir, size)
  return open_download(spec(), PARTS, data_dir, cache_dir, size)


def open_download(spec, parts, data_dir, cache_dir, size) -> datasets.Dataset:
  """The download with classes of one's own.

  Args:
    spec: the classes.
    parts: every part's class, in the order of painting (see `PARTS`).
    data_dir, cache_dir, size: see `datasets.load`.
  """
  root = ARCHIVE.locate(data_dir)
  side = archives.stored_side(size)
  numbers = sorted(
      int(p.stem) for p in (root / _IMAGES).glob("*.jpg") if p.stem.isdigit())
  if len(numbers) < 30000:
    logging.warning(
        "%s: %d of 30000 images", root / _IMAGES, len(numbers))
  files = _part_files(root / _MASKS)
  items = [_item(root, n, files) for n in numbers]
  opened = store.open_items(
      spec, items, cache_dir=cache_dir, variant=f"side{side}",
      read=functools.partial(_read, side=side, parts=parts))
  splits = {
      split: opened.source(
          [str(n) for n in numbers if first <= n < end],
          labeled=split != "unlabeled")
      for split, (first, end) in RANGES.items()}
  pool = splits["train_labeled"].ids
  # One list with everything: seed 0 goes through the pool in its own order.
  return datasets.Dataset(
      spec, splits, {f"labeled_{len(pool)}_seed0": pool} if pool else {})


def merge(masks: dict[str, np.ndarray], shape: tuple[int, int], parts=None
          ) -> np.ndarray:
  """Part name -> bool [H, W] to class indices uint8 [H, W]."""
  label = np.zeros(shape, np.uint8)
  for part, cls in (parts or PARTS).items():
    if part in masks:
      label[masks[part]] = cls
  return label


def _item(root, number, parts):
  first = min(RANGES[k][0] for k in RANGES if k != "unlabeled")
  masks = parts[number] if number >= first else ()
  if number >= first and not masks:
    raise errors.DataError(
        f"{root / _MASKS}: no part of image {number:05d} (its file names "
        f"are {number:05d}_skin.png and so on)")
  return store.Item(
      str(number), str(root / _IMAGES / f"{number}.jpg"), tuple(masks))


def _part_files(folder):
  """Image number -> its part files, in the order of painting."""
  if not folder.is_dir():
    raise errors.DataError(f"{folder}: folder is missing")
  order = {part: i for i, part in enumerate(PARTS)}
  files = collections.defaultdict(list)
  for path in folder.glob("*/*.png"):
    number, _, part = path.stem.partition("_")
    if number.isdigit():
      if part not in order:
        raise errors.DataError(f"{path}: unknown part {part!r}")
      files[int(number)].append((order[part], str(path)))
  return collections.defaultdict(
      tuple, {n: tuple(p for _, p in sorted(v)) for n, v in files.items()})


def _read(item, channels, *, side, parts):
  content = image_files.read_bytes(item.image)
  image = image_files.decode_image(content, channels, item.image)
  if image.shape[:2] != (side, side):
    content = image_files.encode_jpeg(transforms.resize_image(image, side))
  if not item.masks:
    return content, None
  masks = {
      pathlib.Path(p).stem.partition("_")[2]: image_files.decode_binary(
          image_files.read_bytes(p), p)
      for p in item.masks}
  shapes = {m.shape for m in masks.values()}
  if len(shapes) > 1:
    raise errors.DataError(
        f"{item.masks[0]}: parts of one image differ in size: "
        f"{sorted(shapes)}")
  return content, transforms.resize_label(
      merge(masks, shapes.pop(), parts), side)

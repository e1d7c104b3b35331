"""`cityscapes`: street scenes of 50 cities, 19 classes; variant "half".

  leftImg8bit/{train,val}/<city>/<id>_leftImg8bit.png          2048 x 1024
  gtFine/{train,val}/<city>/<id>_gtFine_labelIds.png, or
  gtFine/{train,val}/<city>/<id>_gtFine_polygons.json

Splits `train` (2975) and `val` (500); the test set has no masks. "half" stores
images (bilinear) and masks (nearest) at half size, as s4GAN has them.
"""

import json

import numpy as np
from PIL import Image
from PIL import ImageDraw

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import image_files
from semseg_jax.data import mask_files
from semseg_jax.data import store

VARIANTS = ("half",)
# name -> (id, color)
CLASSES = {
    "road": (7, (128, 64, 128)), "sidewalk": (8, (244, 35, 232)),
    "building": (11, (70, 70, 70)), "wall": (12, (102, 102, 156)),
    "fence": (13, (190, 153, 153)), "pole": (17, (153, 153, 153)),
    "traffic light": (19, (250, 170, 30)),
    "traffic sign": (20, (220, 220, 0)), "vegetation": (21, (107, 142, 35)),
    "terrain": (22, (152, 251, 152)), "sky": (23, (70, 130, 180)),
    "person": (24, (220, 20, 60)), "rider": (25, (255, 0, 0)),
    "car": (26, (0, 0, 142)), "truck": (27, (0, 0, 70)),
    "bus": (28, (0, 60, 100)), "train": (31, (0, 80, 100)),
    "motorcycle": (32, (0, 0, 230)), "bicycle": (33, (119, 11, 32))}
_IGNORE = 255
_INDEX = {name: i for i, name in enumerate(CLASSES)}
_TABLE = np.full(256, _IGNORE, np.uint8)
_TABLE[[number for number, _ in CLASSES.values()]] = np.arange(len(CLASSES))
# Polygons without an id of their own: what lies below them stays.
_SKIPPED = ("license plate", "deleted")
_COUNTS = {"train": 2975, "val": 500}
ARCHIVE = archives.Archive(
    "cityscapes",
    "the Cityscapes dataset's page (leftImg8bit_trainvaltest and "
    "gtFine_trainvaltest)",
    tuple(f"{part}/{split}/*/*{ending}" for split in _COUNTS
          for part, ending in (("leftImg8bit", "_leftImg8bit.png"),
                               ("gtFine", "_gtFine_*"))))


def make(*, data_dir=None, cache_dir=None, variant="", **_):
  """See `datasets.load`."""
  root = ARCHIVE.locate(data_dir)
  splits = {split: _items(root, split) for split in _COUNTS}
  spec = datasets.Spec(
      name=datasets.full_name("cityscapes", variant),
      class_names=tuple(CLASSES),
      colors=np.array([c for _, c in CLASSES.values()], np.uint8),
      ignore_index=_IGNORE, licence="Cityscapes' own, non-commercial research",
      citation=(
          "Cordts et al.: The Cityscapes dataset for semantic urban scene "
          "understanding, CVPR 2016"))
  sources = store.open_splits(
      spec, splits, cache_dir=cache_dir, read=_read_half if variant else _read)
  return datasets.Dataset(
      spec, sources, id_lists.label_orders("cityscapes", sources["train"].ids))


def _items(root, split):
  kind = "labelIds.png"
  if next(root.glob(f"gtFine/{split}/*/*_gtFine_{kind}"), None) is None:
    kind = "polygons.json"
  return ARCHIVE.items(
      root, f"leftImg8bit/{split}/*/{{id}}_leftImg8bit.png",
      [f"gtFine/{split}/{{folder}}/{{id}}_gtFine_{kind}"],
      expect=_COUNTS[split])


def _read(item, channels):
  del channels
  path, = item.masks
  content = image_files.read_bytes(path)
  if path.endswith(".json"):
    mask = _mask_of(content, path)
  else:
    mask = _TABLE[mask_files.read_indices(content, path)]
  return image_files.read_bytes(item.image), mask


def _read_half(item, channels):
  content, mask = _read(item, channels)
  image = image_files.decode_image(content, channels, item.image)
  half = (image.shape[1] // 2, image.shape[0] // 2)
  small = Image.fromarray(image).resize(half, Image.Resampling.BILINEAR)
  return image_files.encode_png(np.asarray(small)), np.asarray(
      Image.fromarray(mask).resize(half, Image.Resampling.NEAREST))


def _mask_of(content, path):
  """The mask that the polygons make, each over those before it."""
  try:
    scene = json.loads(content)
    canvas = Image.new(
        "L", (scene["imgWidth"], scene["imgHeight"]), _IGNORE)
    draw = ImageDraw.Draw(canvas)
    for thing in scene["objects"]:
      name = thing["label"].removesuffix("group")
      if name not in _SKIPPED and not thing.get("deleted"):
        draw.polygon([tuple(p) for p in thing["polygon"]],
                     fill=_INDEX.get(name, _IGNORE))
  except (ValueError, KeyError, TypeError) as e:
    raise errors.DataError(
        f"{path}: not polygons of a scene ({type(e).__name__}: {e})") from e
  return np.asarray(canvas)

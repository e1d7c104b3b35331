"""`camvid`: road scenes, 11 classes, for semi-supervised segmentation.

The pack: the layout of `folder` with splits `train` and `val`; frames are
neighbors in videos, so `val` is easier than another drive would be.

Variant "original", the database's own download at 960 x 720:

  701_StillsRaw_full/<id>.png    LabeledApproved_full/<id>_L.png (colors)
  label_colors.txt               "<r> <g> <b> <name>", 32 classes

merged into the same 11 classes; `train` and `val` as in the pack (367 and 101,
`splits/camvid`), `test` the other 233.
"""

import numpy as np

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import image_files
from semseg_jax.data import mask_files
from semseg_jax.data import store
from semseg_jax.data.sets import folder

VARIANTS = ("original",)
# class -> (color, the original's names); what is not named is ignored.
CLASSES = {
    "sky": ((128, 128, 128), "Sky"),
    "building": ((128, 0, 0), "Archway Bridge Building Tunnel Wall"),
    "pole": ((192, 192, 128), "Column_Pole TrafficCone"),
    "road": ((128, 64, 128), "LaneMkgsDriv LaneMkgsNonDriv Road"),
    "pavement": ((60, 40, 222), "ParkingBlock RoadShoulder Sidewalk"),
    "tree": ((128, 128, 0), "Tree VegetationMisc"),
    "sign": ((192, 128, 128), "Misc_Text SignSymbol TrafficLight"),
    "fence": ((64, 64, 128), "Fence"),
    "car": ((64, 0, 128), "Car OtherMoving SUVPickupTruck Train Truck_Bus"),
    "pedestrian": ((64, 64, 0), "Animal CartLuggagePram Child Pedestrian"),
    "bicyclist": ((0, 128, 192), "Bicyclist MotorcycleScooter")}
ARCHIVE = archives.Archive(
    "camvid", "the Cambridge-driving labeled video database's page",
    ("701_StillsRaw_full/*.png", "LabeledApproved_full/*_L.png",
     "label_colors.txt"))
_LICENCE = "CC BY-NC 4.0"
_CITATION = (
    "Brostow, Fauqueur, Cipolla: Semantic object classes in video, Pattern "
    "Recognition Letters 2009")


def make(*, data_dir=None, cache_dir=None, variant="", **_):
  """See `datasets.load`."""
  if variant:
    return _original(data_dir, cache_dir)
  return folder.open_folder(
      "camvid", id_lists.locate("camvid", data_dir, "classes.json"),
      cache_dir=cache_dir, licence=_LICENCE, citation=_CITATION)


def _original(data_dir, cache_dir):
  root = ARCHIVE.locate(data_dir)
  spec = datasets.Spec(
      name="camvid_original", class_names=tuple(CLASSES),
      colors=np.array([c for c, _ in CLASSES.values()], np.uint8),
      licence="personal and research use", citation=_CITATION)
  items = ARCHIVE.items(
      root, "701_StillsRaw_full/{id}.png", ["LabeledApproved_full/{id}_L.png"])
  lists = id_lists.shipped("camvid")
  taken = {i for ids in lists.values() for i in ids}
  lists["test"] = tuple(i.key for i in items if i.key not in taken)
  colors, classes = _colors(root / "label_colors.txt", spec.ignore_index)

  def read(item, channels):
    del channels
    path, = item.masks
    index = mask_files.read_colors(
        image_files.read_bytes(path), colors, len(colors), path)
    return image_files.read_bytes(item.image), classes[index]

  sources = store.open_splits(
      spec, ARCHIVE.listed(items, lists), cache_dir=cache_dir, read=read)
  return datasets.Dataset(
      spec, sources, id_lists.label_orders("camvid", sources["train"].ids))


def _colors(path, ignore):
  """The original's colors, uint8 [N, 3], and its classes, uint8 [N + 1]."""
  merged = {name: i for i, (_, names) in enumerate(CLASSES.values())
            for name in names.split()}
  try:
    rows = [line.split() for line in path.read_text().splitlines() if line]
    colors = np.array([row[:3] for row in rows]).astype(np.uint8)
    names = [row[3] for row in rows]
  except (ValueError, IndexError, OverflowError) as e:
    raise errors.DataError(
        f"{path}: lines are '<r> <g> <b> <name>' ({e})") from e
  if missing := merged.keys() - set(names):
    raise errors.DataError(f"{path}: lacks {', '.join(sorted(missing))}")
  classes = [merged.get(name, ignore) for name in names]
  return colors, np.array([*classes, ignore], np.uint8)

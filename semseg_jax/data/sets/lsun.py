"""`lsun/church`, `lsun/cat`, `lsun/car`: unlabeled images from LMDB.

  church_outdoor_train_lmdb/data.mdb    keys -> WebP
  cat/data.mdb    car/data.mdb          or <name>_lmdb/data.mdb

At most the first 200,000 images are prepared: the keys are hashes, so these
are a random sample. Masks, in the classes of Fewshot-SMIS (151 of ADE20K for
churches, 5 for cars, 9 for cats of which 0 is unknown; the last two have no
published names), go beside them: see `few_shot`.
"""

import pathlib

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import few_shot
from semseg_jax.data import id_lists
from semseg_jax.data import optional
from semseg_jax.data import store

VARIANTS = ("church", "cat", "car")
LIMIT = 200_000
_FOLDERS = {"church": "church_outdoor_train*", "cat": "cat*", "car": "car*"}
_CLASSES = {
    "church": lambda: few_shot.classes(
        151, ("unknown", *id_lists.class_names("ade20k"))),
    "cat": lambda: few_shot.classes(9, ("unknown",)),
    "car": lambda: few_shot.classes(5)}


def make(*, data_dir=None, cache_dir=None, variant="", **_):
  """See `datasets.load`."""
  if not variant:
    raise errors.DataError(
        f"data.name: lsun is {', '.join(VARIANTS)}: write lsun/church")
  archive = archives.Archive(
      "lsun", "the LSUN page (scenes: church_outdoor; objects: cat, car)",
      (f"{_FOLDERS[variant]}/data.mdb",))
  root = archive.locate(data_dir)
  file, *others = sorted(root.glob(archive.needs[0]))
  if others:
    raise errors.DataError(
        f"{others[0].parent}: a second archive beside {file.parent}")
  spec = datasets.Spec(
      name=f"lsun_{variant}", licence="research", **_CLASSES[variant](),
      citation=(
          "Yu et al.: LSUN: Construction of a large-scale image dataset using "
          "deep learning with humans in the loop, arXiv 1506.03365"))
  splits = store.open_splits(
      spec, {"unlabeled": [store.Item(variant, str(file))]},
      cache_dir=cache_dir, expand=_images)
  return datasets.Dataset(
      spec, splits | few_shot.shots(archive, spec, root, cache_dir=cache_dir))


def _images(item, channels):
  del channels
  lmdb = optional.package("lmdb", "lsun")
  folder = pathlib.Path(item.image).parent
  try:
    with lmdb.open(str(folder), readonly=True, lock=False, readahead=False) \
        as database, database.begin() as transaction:
      for (key, value), _ in zip(
          transaction.cursor(), range(LIMIT), strict=False):
        yield key.decode("ascii"), bytes(value), None
  except (lmdb.Error, UnicodeDecodeError) as e:
    raise errors.DataError(f"{folder}: not a readable LMDB ({e})") from e

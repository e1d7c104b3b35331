"""`shenzhen`: 662 chest X-rays of the NLM's second set, 566 with lung masks.

  ChinaSet_AllFiles/CXR_png/<id>.png
  mask/<id>_mask.png                    a later set by other hands

Splits: `test`, the images with masks; `unlabeled`, the others. Variant
"plain": without equalization and gamma.
"""

from semseg_jax.data import archives
from semseg_jax.data import radiographs
from semseg_jax.data.sets import montgomery

ARCHIVE = archives.Archive(
    "shenzhen",
    "the National Library of Medicine's tuberculosis chest X-ray sets "
    "(Shenzhen) and, for the folder `mask`, Kaggle's Shenzhen chest X-ray "
    "segmentation set",
    ("ChinaSet_AllFiles/CXR_png/*.png", "mask/*_mask.png"))
VARIANTS = radiographs.VARIANTS


def make(*, data_dir=None, cache_dir=None, size=None, variant="", **_):
  """See `datasets.load`."""
  root = ARCHIVE.locate(data_dir)
  items = ARCHIVE.items(
      root, "ChinaSet_AllFiles/CXR_png/{id}.png", ["mask/{id}_mask.png"],
      optional=True, expect=662)
  return radiographs.open_lungs(
      "shenzhen",
      {"test": [i for i in items if i.masks],
       "unlabeled": [i for i in items if not i.masks]},
      variant=variant, size=size, cache_dir=cache_dir,
      licence="public, with citation",
      citation=montgomery.CITATION + (
          "; Stirenko et al.: Chest X-ray analysis of tuberculosis by deep "
          "learning with segmentation and augmentation, ELNANO 2018"))

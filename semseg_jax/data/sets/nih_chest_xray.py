"""`nih_chest_xray`: 112,120 chest X-rays, almost all without masks.

  images_<nnn>/images/<id>.png, or all in images/<id>.png; some are RGBA
  masks/<id>.png                        optional: lungs, black and white

Splits: `unlabeled`, the images without masks; `test`, those with one. The
archive has no masks: those that papers score on were made by others, and under
which names SemanticGAN had them is not known. Variant "plain": without
equalization and gamma.
"""

from semseg_jax.data import archives
from semseg_jax.data import radiographs

ARCHIVE = archives.Archive(
    "nih_chest_xray",
    "the NIH Clinical Center's ChestX-ray14 release (twelve archives "
    "images_001 to images_012)",
    ("images*/**/*.png",))
VARIANTS = radiographs.VARIANTS


def make(*, data_dir=None, cache_dir=None, size=None, variant="", **_):
  """See `datasets.load`."""
  root = ARCHIVE.locate(data_dir)
  flat = (root / "images").is_dir()
  items = ARCHIVE.items(
      root, "images/{id}.png" if flat else "images_*/images/{id}.png",
      ["masks/{id}.png"], optional=True, expect=112_120)
  splits = {"unlabeled": [i for i in items if not i.masks]}
  if len(splits["unlabeled"]) < len(items):
    splits["test"] = [i for i in items if i.masks]
  return radiographs.open_lungs(
      "nih_chest_xray", splits, variant=variant, size=size,
      cache_dir=cache_dir, licence="no restrictions, with citation",
      citation=(
          "Wang et al.: ChestX-ray8: Hospital-scale chest X-ray database and "
          "benchmarks on weakly-supervised classification and localization of "
          "common thorax diseases, CVPR 2017"))

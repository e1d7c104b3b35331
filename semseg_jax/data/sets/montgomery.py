"""`montgomery`: 138 chest X-rays of the NLM, with lung masks.

  MontgomerySet/CXR_png/<id>.png
  MontgomerySet/ManualMask/{leftMask,rightMask}/<id>.png

One split, `test`. Variant "plain": without equalization and gamma.
"""

from semseg_jax.data import archives
from semseg_jax.data import radiographs

_MASKS = "MontgomerySet/ManualMask"
ARCHIVE = archives.Archive(
    "montgomery",
    "the National Library of Medicine's tuberculosis chest X-ray sets "
    "(Montgomery County)",
    ("MontgomerySet/CXR_png/*.png", f"{_MASKS}/leftMask/*.png",
     f"{_MASKS}/rightMask/*.png"))
VARIANTS = radiographs.VARIANTS
CITATION = (
    "Jaeger et al.: Two public chest X-ray datasets for computer-aided "
    "screening of pulmonary diseases, Quantitative Imaging in Medicine and "
    "Surgery 2014")


def make(*, data_dir=None, cache_dir=None, size=None, variant="", **_):
  """See `datasets.load`."""
  root = ARCHIVE.locate(data_dir)
  items = ARCHIVE.items(
      root, "MontgomerySet/CXR_png/{id}.png",
      [f"{_MASKS}/leftMask/{{id}}.png", f"{_MASKS}/rightMask/{{id}}.png"],
      expect=138)
  return radiographs.open_lungs(
      "montgomery", {"test": items}, variant=variant, size=size,
      cache_dir=cache_dir, licence="public, with citation", citation=CITATION)

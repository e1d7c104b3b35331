"""`ph2`: 200 dermoscopic images with lesion masks.

  PH2 Dataset images/<id>/<id>_Dermoscopic_Image/<id>.bmp
  PH2 Dataset images/<id>/<id>_lesion/<id>_lesion.bmp

One split, `test`.
"""

from semseg_jax.data import archives
from semseg_jax.data import lesions

_IMAGES = "**/PH2 Dataset images/*/*_Dermoscopic_Image"
ARCHIVE = archives.Archive(
    "ph2", "the ADDI project's PH2 database (University of Porto and others)",
    (f"{_IMAGES}/*.bmp", "**/PH2 Dataset images/*/*_lesion/*_lesion.bmp"))


def make(*, data_dir=None, cache_dir=None, size=None, **_):
  """See `datasets.load`."""
  root = ARCHIVE.locate(data_dir)
  items = ARCHIVE.items(
      root, f"{_IMAGES}/{{id}}.bmp",
      ["{dir}/../{id}_lesion/{id}_lesion.bmp"], expect=200)
  return lesions.open_lesions(
      "ph2", {"test": items}, size=size, cache_dir=cache_dir,
      licence="research and education",
      citation=(
          "Mendonca et al.: PH2 - A dermoscopic image database for research "
          "and benchmarking, EMBC 2013"))

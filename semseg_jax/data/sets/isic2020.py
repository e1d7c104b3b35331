"""`isic2020`: 33,126 dermoscopic images without masks.

  ISIC_2020_Training_JPEG/train/<id>.jpg, train/<id>.jpg or jpeg/train/<id>.jpg

One split, `unlabeled`.
"""

from semseg_jax.data import archives
from semseg_jax.data import lesions

ARCHIVE = archives.Archive(
    "isic2020", "the ISIC archive, challenge data sets, 2020 (training JPEGs)",
    ("**/train/ISIC_*.jpg",))


def make(*, data_dir=None, cache_dir=None, size=None, **_):
  """See `datasets.load`."""
  root = ARCHIVE.locate(data_dir)
  items = ARCHIVE.items(root, "**/train/{id}.jpg", expect=33_126)
  return lesions.open_lesions(
      "isic2020", {"unlabeled": items}, size=size, cache_dir=cache_dir,
      licence="CC BY-NC 4.0",
      citation=(
          "Rotemberg et al.: A patient-centric dataset of images and metadata "
          "for identifying melanomas using clinical context, Scientific Data "
          "2021"))

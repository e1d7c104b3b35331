"""`dermis_dermquest`: skin photographs of two web atlases, with lesion masks.

  skin_data/{melanoma,notmelanoma}/{dermis,dermquest}/<id>_orig.jpg
  .../<id>_contour.png                  the filled lesion, black and white

The collection of the Vision and Image Processing Lab, Waterloo. Splits `dermis`
("IS" in SemanticGAN's table) and `dermquest` ("Quest").
"""

from semseg_jax.data import archives
from semseg_jax.data import lesions

_KINDS = ("melanoma", "notmelanoma")
_ATLASES = ("dermis", "dermquest")
ARCHIVE = archives.Archive(
    "dermis_dermquest",
    "the skin cancer detection page of the University of Waterloo's Vision "
    "and Image Processing Lab",
    tuple(f"**/{kind}/{atlas}/*{ending}" for kind in _KINDS
          for atlas in _ATLASES for ending in ("_orig.jpg", "_contour.png")))


def make(*, data_dir=None, cache_dir=None, size=None, **_):
  """See `datasets.load`."""
  root = ARCHIVE.locate(data_dir)
  splits = {atlas: [] for atlas in _ATLASES}
  for atlas, items in splits.items():
    for kind in _KINDS:
      # Numbers start anew in every folder.
      items += [
          item._replace(key=f"{atlas}/{kind}/{item.key}")
          for item in ARCHIVE.items(
              root, f"**/{kind}/{atlas}/{{id}}_orig.jpg",
              ["{dir}/{id}_contour.png"])]
  return lesions.open_lesions(
      "dermis_dermquest", splits, size=size, cache_dir=cache_dir,
      licence="research; the atlases keep their rights",
      citation=(
          "Glaister, Amelard, Wong, Clausi: MSIM: Multistage illumination "
          "modeling of dermatological photographs for illumination-corrected "
          "skin lesion analysis, IEEE Transactions on Biomedical Engineering "
          "2013"))

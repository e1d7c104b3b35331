"""`isic2018`: dermoscopy of the ISIC 2018 challenge, task 1: lesion borders.

  ISIC2018_Task1-2_{Training,Validation,Test}_Input/<id>.jpg
  ISIC2018_Task1_{Training,Validation,Test}_GroundTruth/<id>_segmentation.png

SemanticGAN labels up to 2000 images; which, and what it tests on, is not
published. Here the 2594 training images are cut in the order of
`id_lists.hashed`: 2000 `train_labeled`, the rest `test`. `val` is the
challenge's validation set, `challenge_test` its test set where that is there.
"""

from semseg_jax.data import archives
from semseg_jax.data import id_lists
from semseg_jax.data import lesions

_POOL = 2000
ARCHIVE = archives.Archive(
    "isic2018", "the ISIC archive, challenge data sets, 2018, task 1",
    tuple(f"ISIC2018_Task1{kind}/*.{ending}"
          for part in ("Training", "Validation")
          for kind, ending in ((f"-2_{part}_Input", "jpg"),
                               (f"_{part}_GroundTruth", "png"))))


def make(*, data_dir=None, cache_dir=None, size=None, **_):
  """See `datasets.load`."""
  root = ARCHIVE.locate(data_dir)
  part = lambda name, count: ARCHIVE.items(
      root, f"ISIC2018_Task1-2_{name}_Input/{{id}}.jpg",
      [f"ISIC2018_Task1_{name}_GroundTruth/{{id}}_segmentation.png"],
      expect=count)
  training = {item.key: item for item in part("Training", 2594)}
  order = [training[key] for key in id_lists.hashed(training)]
  splits = {"train_labeled": order[:_POOL], "test": order[_POOL:],
            "val": part("Validation", 100)}
  if (root / "ISIC2018_Task1_Test_GroundTruth").is_dir():
    splits["challenge_test"] = part("Test", 1000)
  return lesions.open_lesions(
      "isic2018", splits, size=size, cache_dir=cache_dir, licence="CC0",
      citation=(
          "Codella et al.: Skin lesion analysis toward melanoma detection "
          "2018, arXiv 1902.03368; Tschandl, Rosendahl, Kittler: The HAM10000 "
          "dataset, Scientific Data 2018"))

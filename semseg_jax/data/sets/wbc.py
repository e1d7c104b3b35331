"""`wbc`: single white blood cells, 3 classes; another stain as `ood_val`.

The layout of `folder`. There is no unlabeled split: the unlabeled pool is
the labeled one without its labels (see `subsets`).
"""

from semseg_jax.data import id_lists
from semseg_jax.data.sets import folder


def make(*, data_dir=None, cache_dir=None, **_):
  """See `datasets.load`."""
  return folder.open_folder(
      "wbc",
      id_lists.locate("wbc", data_dir, "classes.json"),
      cache_dir=cache_dir,
      licence="GPL-3.0",
      citation=(
          "Zheng, Wang, Wang, Liu: Fast and robust segmentation of white "
          "blood cell images by self-supervised learning, Micron 2018"))

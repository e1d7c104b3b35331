"""`coffee_leaf`: aligned coffee leaves with symptoms, 3 classes.

The layout of `folder`; `ood_test` is the un-cropped photographs of the test
leaves (folder `raw_frame`): another framing, the same classes.
"""

from semseg_jax.data import id_lists
from semseg_jax.data.sets import folder


def make(*, data_dir=None, cache_dir=None, **_):
  """See `datasets.load`."""
  return folder.open_folder(
      "coffee_leaf",
      id_lists.locate("coffee_leaf", data_dir, "classes.json"),
      cache_dir=cache_dir,
      licence="MIT",
      citation=(
          "Esgario, Krohling, Ventura: Deep learning for classification and "
          "severity estimation of coffee leaf biotic stress, 2020"),
      extra_splits={"ood_test": ("raw_frame", "test")})

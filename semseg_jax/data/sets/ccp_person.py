"""`ccp_person`: standing persons and their clothing, 8 classes.

The layout of `folder`. Street photographs of real people: research use only.
"""

from semseg_jax.data import id_lists
from semseg_jax.data.sets import folder


def make(*, data_dir=None, cache_dir=None, **_):
  """See `datasets.load`."""
  return folder.open_folder(
      "ccp_person",
      id_lists.locate("ccp_person", data_dir, "classes.json"),
      cache_dir=cache_dir,
      licence="Apache-2.0",
      citation=(
          "Yang, Luo, Lin: Clothing co-parsing by joint image segmentation "
          "and labeling, CVPR 2014"))

"""`camvid`: road scenes, 11 classes, for semi-supervised segmentation.

The layout of `folder` with splits `train` and `val`; frames are neighbours in
videos, so `val` is easier than another drive would be.
"""

from semseg_jax.data import id_lists
from semseg_jax.data.sets import folder


def make(*, data_dir=None, cache_dir=None, size=None, seed=0):
  """See `datasets.load`."""
  del size, seed
  return folder.open_folder(
      "camvid",
      id_lists.locate("camvid", data_dir, "classes.json"),
      cache_dir=cache_dir,
      licence="CC BY-NC 4.0",
      citation=(
          "Brostow, Fauqueur, Cipolla: Semantic object classes in video, "
          "Pattern Recognition Letters 2009"))

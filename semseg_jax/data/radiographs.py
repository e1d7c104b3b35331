"""What the chest X-ray data sets share: lungs on gray images.

Histogram equalization and gamma 0.5 unless the variant is "plain"; see
`intensity.radiograph`.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools

import numpy as np

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import readers
from semseg_jax.data import store

VARIANTS = ("plain",)


def open_lungs(name: str, splits: Mapping[str, Sequence[store.Item]], *,
               variant: str, size: int | None, cache_dir: str | None,
               licence: str, citation: str,
               pixels: Callable = readers.radiograph) -> datasets.Dataset:
  """A data set of lungs; the masks of an image are joined.

  Args:
    splits: name -> items.
    variant: "" or "plain".
    size, cache_dir: see `datasets.load`.
    licence, citation: for the spec.
    pixels: (path, channels, *, plain) -> uint8 [H, W, 1].
  """
  side = archives.stored_side(size)
  spec = datasets.Spec(
      name=datasets.full_name(name, variant),
      class_names=("background", "lung"),
      colors=np.array([[0, 0, 0], [80, 170, 255]], np.uint8), channels=1,
      licence=licence, citation=citation)
  sources = store.open_splits(
      spec, splits, cache_dir=cache_dir, variant=f"side{side}",
      read=readers.squares(side, pixels=functools.partial(
          pixels, plain=variant == "plain")))
  return datasets.Dataset(spec, sources)

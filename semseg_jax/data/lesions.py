"""What the skin lesion data sets share: lesions on photographs, in squares."""

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import readers
from semseg_jax.data import store


def open_lesions(name: str, splits: Mapping[str, Sequence[store.Item]], *,
                 size: int | None, cache_dir: str | None, licence: str,
                 citation: str) -> datasets.Dataset:
  """A data set of lesions from items with black-and-white masks."""
  side = archives.stored_side(size)
  spec = datasets.Spec(
      name=name, class_names=("background", "lesion"),
      colors=np.array([[0, 0, 0], [240, 120, 80]], np.uint8),
      licence=licence, citation=citation)
  return datasets.Dataset(spec, store.open_splits(
      spec, splits, cache_dir=cache_dir, variant=f"side{side}",
      read=readers.squares(side)))

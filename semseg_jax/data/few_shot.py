"""Sets of images with a handful of masks, as Fewshot-SMIS uses them.

  shots/images/<id>.png|.jpg    shots/masks/<id>.png        optional

The masks that its official code brings are not part of any archive: they go
beside the images and become `train_labeled`.
"""

from collections.abc import Sequence
import pathlib

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import pascal
from semseg_jax.data import readers
from semseg_jax.data import sources
from semseg_jax.data import store


def classes(count: int, names: Sequence[str] = ()) -> dict:
  """`class_names` and `colors` of a spec; unnamed classes are numbered."""
  names = (*names, *(f"class {i}" for i in range(len(names), count)))
  return {"class_names": tuple(names), "colors": pascal.palette(count)}


def open_images(archive: archives.Archive, spec: datasets.Spec, images: str, *,
                data_dir: str | None, cache_dir: str | None, size: int | None,
                expect: int = 0) -> datasets.Dataset:
  """`unlabeled` from a pattern of files, in squares, and the shots."""
  root = archive.locate(data_dir)
  side = archives.stored_side(size)
  splits = store.open_splits(
      spec, {"unlabeled": archive.items(root, images, expect=expect)},
      cache_dir=cache_dir, variant=f"side{side}", read=readers.squares(side))
  return datasets.Dataset(
      spec, splits | shots(archive, spec, root, cache_dir=cache_dir))


def shots(archive: archives.Archive, spec: datasets.Spec, root: pathlib.Path, *,
          cache_dir: str | None) -> dict[str, sources.Source]:
  """{"train_labeled": the images with masks}, {} where there are none."""
  items = []
  for ending in ("png", "jpg"):
    if next((root / "shots/images").glob(f"*.{ending}"), None):
      items += archive.items(
          root, f"shots/images/{{id}}.{ending}", ["shots/masks/{id}.png"])
  if not items:
    return {}
  return store.open_splits(spec, {"train_labeled": items}, cache_dir=cache_dir)

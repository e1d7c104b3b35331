"""`folder`: any data set laid out as images, masks and id lists.

  images/<id>.jpg|.jpeg|.png  masks/<id>.png  splits/<split>.txt  classes.json

Splits `unlabeled*` have no masks; lists `labeled_{k}_seed{s}.txt` are the
nested label subsets. See docs/add_a_dataset.md.
"""

import json
import pathlib
import re

import numpy as np

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import store

_SUFFIXES = (".jpg", ".jpeg", ".png")
# Lists that are subsets of a split, not splits of their own.
_SUBSET = re.compile(r"labeled_\d+_seed\d+|unlabeled_\d+")
# Complements of label subsets, which `subsets` works out itself.
_COMPLEMENT = re.compile(r"unlabeled_\d+_seed\d+")


def make(*, data_dir=None, cache_dir=None, size=None, seed=0):
  """See `datasets.load`; the name is the folder's."""
  del size, seed
  root = id_lists.locate("folder", data_dir, "splits")
  return open_folder(root.name, root, cache_dir=cache_dir)


def open_folder(
    name: str,
    root: pathlib.Path,
    *,
    cache_dir: str | None,
    licence: str = "",
    citation: str = "",
    extra_splits: dict[str, tuple[str, str]] | None = None,
    also_unlabeled: tuple[str, ...] = (),
) -> datasets.Dataset:
  """A data set from a folder of the layout above.

  Args:
    name: of the data set.
    root: the folder.
    cache_dir: see `datasets.load`.
    licence, citation: for the spec.
    extra_splits: split -> (folder below root of the same layout, its split).
    also_unlabeled: splits whose images join `unlabeled`, without labels.
  """
  spec = read_spec(name, root, licence, citation)
  splits, lists = {}, {}
  for path in sorted((root / "splits").glob("*.txt")):
    if _SUBSET.fullmatch(path.stem):
      lists[path.stem] = id_lists.read(path)
    elif not _COMPLEMENT.fullmatch(path.stem):
      splits[path.stem] = _items(root, path, "")
  for split, (below, listed) in (extra_splits or {}).items():
    folder = root / below
    splits[split] = _items(
        folder, folder / "splits" / f"{listed}.txt", f"{below}/")
  if "unlabeled" in splits:
    for split in also_unlabeled:
      splits["unlabeled"] = splits["unlabeled"] + splits[split]
  if not splits:
    raise errors.DataError(f"{root / 'splits'}: no list of images (*.txt)")
  # An image that is labeled in one split and not in another has its mask.
  items = {}
  for listed in splits.values():
    for item in listed:
      if item.key not in items or item.masks:
        items[item.key] = item
  opened = store.open_items(spec, list(items.values()), cache_dir=cache_dir)
  volumes = _volumes(root)
  sources = {}
  for split, listed in splits.items():
    keys = [item.key for item in listed]
    sources[split] = opened.source(
        keys,
        labeled=not _unlabeled(split),
        ids=[pathlib.PurePosixPath(key).name for key in keys],
        volumes=volumes and _volumes_of(keys, volumes, root))
  return datasets.Dataset(spec, sources, lists)


def _unlabeled(split):
  return split.startswith("unlabeled")


def _items(root, list_file, prefix):
  labeled = not _unlabeled(list_file.stem)
  items = []
  for name in id_lists.read(list_file):
    image = id_lists.find(root / "images", name, _SUFFIXES, list_file)
    masks = (id_lists.find(root / "masks", name, (".png",), list_file),) \
        if labeled else ()
    items.append(store.Item(prefix + name, image, masks))
  return items


def read_spec(
    name: str, root: pathlib.Path, licence: str = "", citation: str = ""
) -> datasets.Spec:
  """The spec of `root`/classes.json."""
  path = root / "classes.json"
  try:
    content = json.loads(path.read_text())
  except FileNotFoundError as e:
    raise errors.DataError(
        f"{path}: missing; it names the classes, e.g. "
        '{"classes": ["background", "leaf"], "colours": [[0, 0, 0], '
        '[0, 176, 0]], "ignore_index": 255}') from e
  except ValueError as e:
    raise errors.DataError(f"{path}: not valid JSON ({e})") from e
  try:
    names = tuple(content["classes"])
    colors = np.asarray(content["colours"], np.uint8).reshape(-1, 3)
    ignore = int(content.get("ignore_index", 255))
    channels = int(content.get("channels", 3))
  except (KeyError, TypeError, ValueError, OverflowError) as e:
    raise errors.DataError(
        f"{path}: needs 'classes' (names) and 'colours' (one [r, g, b] each); "
        f"{type(e).__name__}: {e}") from e
  if not names or len(names) != len(colors):
    raise errors.DataError(
        f"{path}: {len(names)} classes, but {len(colors)} colours")
  if channels not in (1, 3) or not len(names) <= ignore <= 255:
    raise errors.DataError(
        f"{path}: channels must be 1 or 3 and ignore_index between "
        f"{len(names)} and 255")
  return datasets.Spec(
      name=name, class_names=names, colors=colors, ignore_index=ignore,
      channels=channels, licence=licence, citation=citation)


def _volumes(root):
  """id -> volume, where the images are slices of volumes."""
  path = root / "volumes.json"
  return json.loads(path.read_text()) if path.exists() else None


def _volumes_of(keys, volumes, root):
  missing = [key for key in keys if key not in volumes]
  if missing:
    raise errors.DataError(
        f"{root / 'volumes.json'}: image {missing[0]!r} has no volume")
  return [volumes[key] for key in keys]

"""`semantic_gan_official`: the folder layout of SemanticGAN's code.

  label_data/image/*  label_data/label/<stem>.png  unlabel_data/image/*
  train_full_list.txt train_{N}_list.txt val_{N}_list.txt test_list.txt
  unlabel_list.txt unlabel_{N}_list.txt

Lists lie in `label_data` and `unlabel_data` or beside these, one file name a
line, with or without its suffix. Masks hold class indices: the eight face
classes of the paper, or those of a `classes.json` beside `label_data`.
Splits: `train_labeled` (the full list), `val` (the list of the largest N),
`test`, `unlabeled`; subset lists become `labeled_{N}_seed0`, `unlabeled_{N}`.
"""

import pathlib
import re

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import store
from semseg_jax.data.sets import celebamask_hq
from semseg_jax.data.sets import folder

_NAME = "semantic_gan_official"
_SUFFIXES = (".jpg", ".jpeg", ".png")


def make(*, data_dir=None, cache_dir=None, size=None, seed=0):
  """See `datasets.load`."""
  del size, seed
  root = id_lists.locate(_NAME, data_dir, "label_data")
  if (root / "classes.json").exists():
    spec = folder.read_spec(_NAME, root)
  else:
    spec = celebamask_hq.spec(_NAME)
  files = {
      path.name.removesuffix("_list.txt"): path
      for below in (".", "label_data", "unlabel_data")
      for path in sorted((root / below).glob("*_list.txt"))}
  named = {
      "train_labeled": files.get("train_full"), "test": files.get("test"),
      "unlabeled": files.get("unlabel"), "val": _largest(files, "val")}
  if named["train_labeled"] is None:
    raise errors.DataError(
        f"{root / 'label_data' / 'train_full_list.txt'}: list file is missing")
  items = {
      split: _items(root, path, labeled=split != "unlabeled")
      for split, path in named.items() if path}
  opened = store.open_items(
      spec, list({i.key: i for part in items.values() for i in part}.values()),
      cache_dir=cache_dir)
  splits = {
      split: opened.source(
          [i.key for i in part], labeled=split != "unlabeled",
          ids=[pathlib.PurePosixPath(i.key).name for i in part])
      for split, part in items.items()}
  lists = {}
  for name, path in files.items():
    if m := re.fullmatch(r"(train|unlabel)_(\d+)", name):
      ids = tuple(_stem(x) for x in id_lists.read(path))
      lists[f"labeled_{m[2]}_seed0" if m[1] == "train"
            else f"unlabeled_{m[2]}"] = ids
  return datasets.Dataset(spec, splits, lists)


def _items(root, list_file, *, labeled):
  below = root / ("label_data" if labeled else "unlabel_data")
  items = []
  for line in id_lists.read(list_file):
    stem = _stem(line)
    image = id_lists.find(below / "image", stem, _SUFFIXES, list_file)
    masks = (id_lists.find(below / "label", stem, (".png",), list_file),) \
        if labeled else ()
    # The two folders may use the same names for different images.
    items.append(store.Item(f"{below.name}/{stem}", image, masks))
  return items


def _largest(files, kind):
  if f"{kind}_full" in files:
    return files[f"{kind}_full"]
  matches = (re.fullmatch(kind + r"_(\d+)", name) for name in files)
  counts = [int(m[1]) for m in matches if m]
  return files[f"{kind}_{max(counts)}"] if counts else files.get(kind)


def _stem(line):
  path = pathlib.PurePosixPath(line)
  return path.stem if path.suffix.lower() in _SUFFIXES else path.name

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

import re
import unicodedata

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import store
from semseg_jax.data.formats import image_index
from semseg_jax.data.sets import celebamask_hq
from semseg_jax.data.sets import folder

_NAME = "semantic_gan_official"


def make(*, data_dir=None, cache_dir=None, **_):
  """See `datasets.load`."""
  root = id_lists.locate(_NAME, data_dir, "label_data")
  if (root / "classes.json").exists():
    spec = folder.read_spec(_NAME, root)
  else:
    spec = celebamask_hq.spec(_NAME)
  files = {
      path.name.removesuffix("_list.txt"): path
      for below in (".", "label_data", "unlabel_data")
      for path in sorted(image_index.visible(root / below, "*_list.txt"))}
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
      cache_dir=cache_dir, **folder.reading(root, spec))
  splits = {
      split: opened.source(
          [i.key for i in part], labeled=split != "unlabeled",
          ids=[i.key.partition("/")[2] for i in part])
      for split, part in items.items()}
  lists = {}
  for name, path in files.items():
    if m := re.fullmatch(r"(train|unlabel)_(\d+)", name):
      ids = tuple(_id(x) for x in id_lists.read(path))
      lists[f"labeled_{m[2]}_seed0" if m[1] == "train"
            else f"unlabeled_{m[2]}"] = ids
  return datasets.Dataset(spec, splits, lists)


def _items(root, list_file, *, labeled):
  below = root / ("label_data" if labeled else "unlabel_data")
  images = image_index.listing(below / "image")
  masks = image_index.listing(below / "label") if labeled else {}
  items = {}
  for line in id_lists.read(list_file):
    name = _id(line)
    image = image_index.find(images, below / "image", name, list_file)
    mask = () if not labeled else (
        image_index.find(masks, below / "label", name, list_file),)
    if name in items:
      raise errors.DataError(f"{list_file}: id {name!r} stands there twice")
    # The two folders may use the same names for different images.
    items[name] = store.Item(f"{below.name}/{name}", image, mask)
  return list(items.values())


def _largest(files, kind):
  if f"{kind}_full" in files:
    return files[f"{kind}_full"]
  matches = (re.fullmatch(kind + r"_(\d+)", name) for name in files)
  counts = [int(m[1]) for m in matches if m]
  return files[f"{kind}_{max(counts)}"] if counts else files.get(kind)


def _id(line):
  """The whole path of a line, without its ending."""
  stem, dot, ending = unicodedata.normalize("NFC", line).rpartition(".")
  known = dot and f".{ending.lower()}" in image_index.ENDINGS
  return stem if known else unicodedata.normalize("NFC", line)

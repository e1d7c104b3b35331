"""`folder`: any data set laid out as images, masks and id lists.

  images/<id>.jpg|...  masks/<id>.png  splits/<split>.txt  classes.json

In the place of `masks` there may be annotations of a common tool (see
`data/formats`). Splits `unlabeled*` have no masks; lists
`labeled_{k}_seed{s}.txt` are the nested label subsets. A folder of images alone
is one split `unlabeled`. See docs/add_a_dataset.md.
"""

import functools
import glob
import json
import pathlib
import re
import unicodedata

import numpy as np

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import flips
from semseg_jax.data import id_lists
from semseg_jax.data import image_files
from semseg_jax.data import mask_files
from semseg_jax.data import new_classes
from semseg_jax.data import new_folder
from semseg_jax.data import pascal
from semseg_jax.data import store
from semseg_jax.data import text_files
from semseg_jax.data.formats import classes_file
from semseg_jax.data.formats import contents
from semseg_jax.data.formats import image_index
from semseg_jax.data.formats import layout

# Lists that are subsets of a split, not splits of their own.
_SUBSET = re.compile(r"labeled_\d+_seed\d+|unlabeled_\d+")
# Complements of label subsets, which `subsets` works out itself.
_COMPLEMENT = re.compile(r"unlabeled_\d+_seed\d+")


def make(*, data_dir=None, cache_dir=None, **_):
  """See `datasets.load`; the name is the folder's."""
  root = locate(data_dir)
  return open_folder(root.name, root, cache_dir=cache_dir)


def locate(data_dir: str | None) -> pathlib.Path:
  """`data_dir` or, where that holds no data set, `data_dir`/folder.

  Raises errors.DataError: there is no such folder.
  """
  root = id_lists.root("folder", data_dir)
  below = root / "folder"
  return below if (below / "splits").is_dir() else root


def named(name: str, **facts):
  """`make` of the data set `name`; facts: see `open_folder`."""
  return lambda *, data_dir=None, cache_dir=None, **_: open_folder(
      name, id_lists.locate(name, data_dir, "classes.json"),
      cache_dir=cache_dir, **facts)


def open_folder(name: str, root: pathlib.Path, *, cache_dir: str | None,
                licence: str = "", citation: str = "",
                extra_splits: dict[str, tuple[str, str]] | None = None,
                also_unlabeled: tuple[str, ...] = ()) -> datasets.Dataset:
  """A data set from a folder of the layout above.

  Args:
    cache_dir: see `datasets.load`.
    licence, citation: for the spec.
    extra_splits: split -> (folder below root of the same layout, its split).
    also_unlabeled: splits whose images join `unlabeled`, without labels.
  """
  files = _Files(root)
  spec = _spec(name, root, files, licence, citation)
  splits, lists, named_masks = {}, {}, []
  for path in _list_files(root / "splits"):
    stem = path.stem.lower()
    if _SUBSET.fullmatch(stem):
      entries = [files.entry(line, path) for line in id_lists.read(path, root)]
      lists[stem] = tuple(name for name, _ in entries)
      named_masks += [(path, *entry) for entry in entries if entry[1]]
    elif not _COMPLEMENT.fullmatch(stem):
      split = new_folder.split_of(path.stem)
      if split in splits:
        raise errors.DataError(f"{path}: a second list of the split {split}")
      splits[split] = _items(files, path, "")
  for split, (below, listed) in (extra_splits or {}).items():
    folder = root / below
    splits[split] = _items(
        _Files(folder), folder / "splits" / f"{listed}.txt", f"{below}/")
  if "unlabeled" in splits:
    for split in also_unlabeled:
      splits["unlabeled"] = splits["unlabeled"] + splits[split]
  if not splits:
    splits["unlabeled"] = _all_images(files)
  items = store.each_once(splits)
  masks = {item.key: item.masks for item in items}
  for path, name, mask in named_masks:
    # The list chooses images; their masks are those of the pool.
    if masks.get(name) and not store.same_files(masks[name], (mask,)):
      raise errors.DataError(
          f"{path}: names the mask {mask} for image {name!r}, whose mask is "
          f"{masks[name][0]}: name another mask in the list of the split")
  opened = store.open_items(
      spec, items, cache_dir=cache_dir,
      **reading(root, spec, files.drawn.items if files.drawn else {}))
  volumes = new_folder.volumes(root)
  sources = {}
  for split, listed in splits.items():
    keys = [item.key for item in listed]
    sources[split] = opened.source(
        keys, labeled=files.annotated and not _unlabeled(split),
        volumes=volumes and new_folder.volumes_of(keys, volumes, root))
  return datasets.Dataset(spec, sources, lists)


def read_spec(name: str, root: pathlib.Path, licence: str = "",
              citation: str = "") -> datasets.Spec:
  """The spec of `root`/classes.json.

  Args:
    name, licence, citation: of the spec.

  Raises errors.DataError: the file is missing or is not as it has to be.
  """
  path = root / "classes.json"
  content = _content(path)
  names = classes_file.names(content, path)
  colors = classes_file.colors(content, names, path)
  ignore = classes_file.number(content, "ignore_index", 255, path)
  channels = classes_file.number(content, "channels", 3, path)
  if channels not in (1, 3):
    raise errors.DataError(f"{path}: 'channels' is {channels}; 1 or 3")
  if not len(names) <= ignore <= 255:
    raise errors.DataError(
        f"{path}: 'ignore_index' is {ignore}, but it must be no class: between "
        f"{len(names)} and 255")
  return datasets.Spec(
      name=name, class_names=names, colors=colors, ignore_index=ignore,
      channels=channels, licence=licence, citation=citation,
      flip=flips.stated(content["flip"], names, str(path))
      if "flip" in content else flips.default(names))


def read_legend(root: pathlib.Path, spec: datasets.Spec) -> mask_files.Legend:
  """How masks are drawn, by classes.json: "values", "masks", "ignore_colours".

  Raises errors.DataError: one of these is not as it has to be.
  """
  path = root / "classes.json"
  content = _content(path) if path.exists() else {}
  colors = tuple(tuple(int(x) for x in c) for c in spec.colors)
  masks = content.get("masks", "auto")
  if masks not in mask_files.READINGS:
    raise errors.DataError(
        f"{path}: 'masks' is {masks!r}; it is one of "
        f"{', '.join(mask_files.READINGS)}")
  ignored = classes_file.ignored_colors(content, path)
  if pascal.BORDER not in colors:
    ignored += (pascal.BORDER,)
  return mask_files.Legend(
      spec.class_names, colors, spec.ignore_index,
      classes_file.values(content, spec.num_classes, spec.ignore_index, path),
      masks, ignored)


def reading(root: pathlib.Path, spec: datasets.Spec, drawn=()) -> dict:
  """Arguments `read` and `variant` of `store.open_items` for a folder.

  Args:
    root: with classes.json, if any.
    drawn: {key: `contents.Annotated`} of images whose masks are drawn.
  """
  legend = read_legend(root, spec)
  drawn = dict(drawn)
  return {
      "read": functools.partial(_read, legend=legend, drawn=drawn),
      "variant": json.dumps([
          legend.class_names if drawn else "", legend.masks,
          sorted((legend.values or {}).items()), legend.colors,
          legend.ignore_colors])}


def annotated(root: pathlib.Path) -> bool:
  """Whether there are masks or annotations in a folder."""
  return _Files(root).annotated


def remarks(data_dir: str | None, dataset: datasets.Dataset) -> list[str]:
  """Lines about images in no list, colors and what could be masks."""
  root = locate(data_dir)
  index = image_index.ImageIndex(root)
  lines = []
  used = {x for source in dataset.splits.values() for x in source.ids}
  if rest := [x for x in index.ids if x not in used]:
    lines.append(f"{len(rest)} images are in no list and not used: "
                 f"{errors.few(rest, 3)}")
  if dataset.spec.channels == 1 and (few := new_classes.in_color(index)):
    lines.append(
        f"{len(few)} of {len(index.ids)} images are in colour and read as gray "
        f"({errors.few(few, 3)}); a classes.json with \"channels\": 3 reads "
        'all as RGB, for images alone {"classes": ["background"], '
        '"channels": 3}')
  if not any(x.labeled for x in dataset.splits.values()) and (
      hint := layout.could_be_masks(root, index)):
    lines.append(f"no masks are read: {hint}")
  return lines


class _Files:
  """The images of a folder and what belongs to each."""

  def __init__(self, root):
    self.root = root
    self.images = image_index.ImageIndex(root)
    self.folder = layout.mask_folder(root)
    self._masks = layout.masks_by_id(root, self.folder)
    self.drawn = None if self.folder else layout.find(root)

  @property
  def annotated(self) -> bool:
    return bool(self.folder or (self.drawn and self.drawn.items))

  def entry(self, line, list_file):
    """(id, mask's path or None) of a line: an id or path, or two paths."""
    if "\\" in line and line not in self.images:
      line = line.replace("\\", "/")  # as Windows writes paths
    name = self._id(line)
    if name is not None:
      return name, None
    for separator in ("\t", ",", ";", None):
      parts = [x.strip() for x in line.split(separator) if x.strip()]
      if len(parts) == 2 and (name := self._id(parts[0])) is not None:
        return name, self._mask_path(parts[1], list_file)
    # No pattern may start at the root, or be empty.
    pattern = glob.escape(line.lstrip("/")) or "_"
    other = list(self.images.folder.glob(f"{pattern}.*"))
    hint = (f"; {other[0].name} is not of a kind that is read" if other else "")
    raise errors.DataError(
        f"{list_file}: lists {line!r}, but there is no file "
        f"{self.images.folder / line}{{{','.join(image_index.ENDINGS[:5])}, "
        f"...}}{hint}")

  def mask(self, name, list_file):
    """Path of the mask, or of the annotations, of an image."""
    if self.drawn is not None:
      if name in self.drawn.items:
        return self.drawn.items[name].file
      raise errors.DataError(
          f"{list_file}: lists {name!r}, which has no {self.drawn.name} "
          "annotations; images without belong into unlabeled.txt")
    if files := layout.masks_of(self._masks, name):
      return image_index.only(files, name)
    folder = self.folder or self.root / "masks"
    raise errors.DataError(
        f"{list_file}: lists {name!r}, but there is no file "
        f"{folder / name}.png")

  def _id(self, text):
    text = unicodedata.normalize("NFC", text).removeprefix("./")
    if text in self.images:
      return text
    for folder in (self.images.folder, self.root):
      name = self.images.id_of(folder / text.lstrip("/"))
      if name is not None:
        return name
    stem, dot, ending = text.rpartition(".")
    if dot and f".{ending.lower()}" in image_index.ENDINGS and (
        stem in self.images):
      return stem
    return None

  def _mask_path(self, text, list_file):
    relative = text.lstrip("/")
    for folder in (self.root, self.folder, self.root / "masks"):
      if folder and (path := text_files.below(
          folder, relative, str(list_file))).is_file():
        return str(path)
    raise errors.DataError(
        f"{list_file}: names the mask {text!r}, but there is no such file in "
        f"{self.root}")


def _list_files(folder):
  """The lists of a folder, sorted; what looks like one is not passed over."""
  paths = sorted(folder.iterdir()) if folder.is_dir() else []
  for path in paths:
    if path.suffix.lower() in (".csv", ".lst", ".list", ".json", ".tsv"):
      raise errors.DataError(
          f"{path}: lists of images are text files with one id a line, "
          f"{path.stem}.txt")
  return [p for p in paths
          if p.suffix.lower() == ".txt" and not p.name.startswith(".")]


def _items(files, list_file, prefix):
  labeled = files.annotated and not _unlabeled(
      new_folder.split_of(list_file.stem))
  items, lines = {}, {}
  for line in id_lists.read(list_file, files.root):
    name, mask = files.entry(line, list_file)
    if name in items:
      raise errors.DataError(
          f"{list_file}: id {name!r} stands there twice, as {lines[name]!r} "
          f"and {line!r}")
    masks = (mask or files.mask(name, list_file),) if labeled else ()
    items[name] = store.Item(prefix + name, files.images.path(name), masks)
    lines[name] = line
  return list(items.values())


def _all_images(files):
  """The one split of a folder without lists."""
  if files.annotated:
    raise errors.DataError(
        f"{files.root / 'splits'}: no list of images (*.txt); write lists with "
        f"semseg-jax prepare --data_dir={files.root} "
        "--split=0.8,0.1,0.1 --seed=0")
  layout.refuse_parts(files.root)
  layout.refuse_masks_among(files.root, files.images)
  if not files.images.ids:
    raise errors.DataError(
        f"data.data_dir: {files.root} is not the data set 'folder': it has "
        "neither lists of images (splits/*.txt) nor images")
  return [store.Item(name, files.images.path(name), ())
          for name in files.images.ids]


def _spec(name, root, files, licence, citation):
  if (root / "classes.json").exists() or files.annotated:
    return read_spec(name, root, licence, citation)
  # Images alone: there is nothing to name.
  return datasets.Spec(
      name=name, class_names=("background",),
      colors=np.zeros((1, 3), np.uint8),
      channels=new_classes.channels(files.images), licence=licence,
      citation=citation)


def _read(item, channels, *, legend, drawn):
  """The image's own bytes and its mask, drawn or read."""
  del channels
  mask = None
  if item.key in drawn and item.masks:
    mask = drawn[item.key].draw(contents.indices(
        legend.class_names, legend.ignore_index))
  elif item.masks:
    path, = item.masks
    mask = mask_files.read(image_files.read_bytes(path), legend, path)
  return image_files.read_bytes(item.image), mask


def _content(path):
  if not path.exists():
    raise errors.DataError(
        f"{path}: missing; it names the classes, e.g. "
        '{"classes": ["background", "leaf"], "colours": [[0, 0, 0], '
        '[0, 176, 0]], "ignore_index": 255}. It is written by semseg-jax '
        f"prepare --data_dir={path.parent}" + (
            "" if new_folder.has_lists(path.parent) else
            " --split=0.8,0.1,0.1, with lists of images"))
  return classes_file.checked(text_files.read_json(path), path)


def _unlabeled(split):
  return split.startswith("unlabeled")

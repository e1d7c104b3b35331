"""Prepared data sets: images checked once and stored for random access.

A file-based set is a list of items (files) that `open_items` turns into a
store below the cache folder, on first use. The folder's name holds a
fingerprint of all files' sizes and times, so changed data is prepared anew.
"""

import collections
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent import futures
import contextlib
import functools
import hashlib
import io
import json
import os
import pathlib
import shutil
import sys
import tempfile
import typing

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import mask_files
from semseg_jax.data import sources as sources_lib
from semseg_jax.data import tolerance
from semseg_jax.data.builders import image_mask

# Raised when what is stored for the same files changes.
_FORMAT = 2
_INDEX = "index.json"
_BROKEN = "broken.json"
_FACTS = "facts.json"

# Items that are read ahead of the writer.
_AHEAD = 64


class Item(typing.NamedTuple):
  """One image of a data set on disk, or one file that holds several."""
  key: str  # unique in the data set
  image: str  # path
  masks: tuple[str, ...] = ()  # paths; none where there is no label


# (item, channels) -> (encoded image, mask uint8 [H, W] or None), unchecked.
Read = Callable[[Item, int], tuple[bytes, np.ndarray | None]]
# The same for items of several images: each with a name of its own.
Expand = Callable[[Item, int], Iterator[tuple[str, bytes, np.ndarray | None]]]


class Store:
  """Random access by key to the prepared images of a data set."""

  def __init__(self, folder: pathlib.Path, spec: datasets.Spec):
    # TFDS's own folder: <builder>/<version>.
    builder = tfds.builder_from_directory(folder / "image_mask/1.0.0")
    skip = tfds.decode.SkipDecoding()
    self._records = builder.as_data_source(
        image_mask.SPLIT, decoders={"image": skip, "label": skip})
    with open(folder / _INDEX) as file:
      self._position = {k: i for i, k in enumerate(json.load(file))}
    self.broken = _read_json(folder / _BROKEN)
    self._of_item = collections.defaultdict(list)
    for key in self.keys:
      if "//" in key:
        self._of_item[key.partition("//")[0]].append(key)
    self._channels = spec.channels
    self.folder = folder

  @functools.cached_property
  def facts(self) -> dict[str, sources_lib.Facts]:
    """{key: what is known of an image}."""
    return {
        key: sources_lib.Facts(
            tuple(size), {int(k): n for k, n in pixels.items()}, turned, digest)
        for key, (size, pixels, turned, digest) in _read_json(
            self.folder / _FACTS).items()}

  @property
  def keys(self) -> list[str]:
    """Keys of all images, the broken ones, too."""
    return sorted({*self._position, *self.broken})

  def keys_of(self, item: Item) -> Sequence[str]:
    """Keys of the images that an item was expanded into, by their names."""
    return self._of_item[item.key]

  def source(self, keys: Sequence[str], *, labeled: bool,
             ids: Sequence[str] | None = None,
             volumes: Sequence[str] | None = None) -> "Stored":
    """The images with these keys, in this order; `ids` default to keys."""
    return Stored(self, tuple(keys), tuple(ids or keys), labeled, volumes)

  def read(self, key: str, labeled: bool) -> dict:
    """{"image"} and, if asked, {"label"}, decoded."""
    if key in self.broken:
      raise errors.DataError(self.broken[key])
    try:
      record = self._records[self._position[key]]
    except Exception as e:  # TFDS promises no type for a damaged record
      raise errors.DataError(
          f"{key}: its record in {self.folder} is damaged ({e}); delete that "
          "folder, it is prepared anew") from e
    example = {"image": image_files.decode_image(
        _content(record["image"]), self._channels, key)}
    if labeled:
      example["label"] = mask_files.read_indices(
          _content(record["label"]), key)
    return example


class Stored:
  """A source (see `sources`) of prepared images."""
  checked = True

  def __init__(self, store, keys, ids, labeled, volumes):
    self.ids = ids
    self.labeled = labeled
    self._store = store
    self._keys = keys
    self.volumes = volumes
    self.broken = {i: store.broken[k] for i, k in zip(ids, keys, strict=True)
                   if k in store.broken}

  def __len__(self) -> int:
    return len(self.ids)

  def facts(self) -> dict[str, sources_lib.Facts]:
    """See `sources.facts`."""
    known = self._store.facts
    return {i: known[k] for i, k in zip(self.ids, self._keys, strict=True)
            if k in known}

  def origins(self) -> dict[tuple, str]:
    """See `sources.origins`."""
    return {(str(self._store.folder), k): i
            for i, k in zip(self.ids, self._keys, strict=True)}

  def __getitem__(self, index: int) -> dict:
    index = int(index)
    example = self._store.read(self._keys[index], self.labeled)
    example["id"] = self.ids[index]
    if self.volumes is not None:
      example["volume"] = self.volumes[index]
    return example


def read_files(item: Item, channels: int) -> tuple[bytes, np.ndarray | None]:
  """The image's own bytes and the one mask file, if any."""
  del channels
  mask = None
  if item.masks:
    path, = item.masks
    mask = mask_files.read_indices(image_files.read_bytes(path), path)
  return image_files.read_bytes(item.image), mask


def open_items(spec: datasets.Spec, items: Sequence[Item], *,
               cache_dir: str | None, read: Read = read_files,
               expand: Expand | None = None, variant: str = "") -> Store:
  """Opens the store of these items, preparing it if it is not there.

  Args:
    spec: gives channels and class count, which are checked.
    items: all images of the data set, each once.
    cache_dir: see `datasets.load`.
    read: how an item becomes bytes and a mask.
    expand: the same for items of several images, instead of `read`; an
      image's key is `<item>//<name>`.
    variant: names what `read` does beside reading, e.g. a stored size.

  Raises errors.DataError: names the first file that cannot be used, if there
  are more than `tolerance` allows.
  """
  if not items:
    raise errors.DataError(f"data set {spec.name!r} has no images")
  root = cache_root(cache_dir)
  folder = root / f"{spec.name}-{_fingerprint(spec, items, variant)}"
  if not folder.exists():
    _prepare(folder, spec, items, read, expand)
  store = Store(folder, spec)
  tolerance.check(store.broken, spec.name)
  return store


def open_splits(spec: datasets.Spec, splits: Mapping[str, Sequence[Item]], *,
                volumes: bool = False, **options) -> dict[str, "Stored"]:
  """Opens the store of all splits' items, and each split as a source.

  Splits named `unlabeled*` are without labels, even of images that have them
  in another split. Ids are the keys, with `_` for slashes where that leaves
  them different.

  Args:
    splits: name -> items; an item may be in several.
    volumes: the items are volumes, whose names the images carry.
    **options: of `open_items`.
  """
  opened = open_items(spec, each_once(splits), **options)
  flat = {key: key.replace("//", "_").replace("/", "_") for key in opened.keys}
  if len(set(flat.values())) < len(flat):
    flat = {key: key for key in flat}
  sources = {}
  for split, listed in splits.items():
    if options.get("expand"):
      pairs = [(key, i.key) for i in listed for key in opened.keys_of(i)]
    else:
      pairs = [(i.key, i.key) for i in listed]
    keys = [key for key, _ in pairs]
    sources[split] = opened.source(
        keys, labeled=not split.startswith("unlabeled"),
        ids=[flat[key] for key in keys],
        volumes=tuple(volume for _, volume in pairs) if volumes else None)
  return sources


def each_once(splits: Mapping[str, Sequence[Item]]) -> list[Item]:
  """The items of all splits; one with a mask in any of them keeps it.

  Raises errors.DataError: an item has another mask in another split.
  """
  items, labeled_in = {}, {}
  for split, listed in splits.items():
    for item in listed:
      former = items.setdefault(item.key, item)
      if not item.masks:
        continue
      if former.masks and not same_files(former.masks, item.masks):
        raise errors.DataError(
            f"image {item.key!r} has the mask {former.masks[0]} in the split "
            f"{labeled_in[item.key]!r}, but {item.masks[0]} in {split!r}: "
            "name one mask in both lists")
      items[item.key] = item
      labeled_in.setdefault(item.key, split)
  return list(items.values())


def same_files(a: Iterable[str], b: Iterable[str]) -> bool:
  """Whether two rows of paths name the same files, however spelt."""
  return a == b or [*map(os.path.realpath, a)] == [*map(os.path.realpath, b)]


def cache_root(cache_dir: str | None) -> pathlib.Path:
  """`cache_dir`, or `semseg_jax` in the user's cache folder."""
  if cache_dir:
    return pathlib.Path(cache_dir).expanduser().absolute()
  user = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
  return pathlib.Path(user) / "semseg_jax"


def _fingerprint(spec, items: Iterable[Item], variant: str) -> str:
  digest = hashlib.sha256(json.dumps([
      _FORMAT, spec.channels, spec.num_classes, spec.ignore_index, variant,
  ]).encode())
  for item in sorted(items):
    for path in (item.image, *item.masks):
      try:
        stat = os.stat(path)
      except OSError as e:
        raise errors.DataError(
            f"{path}: cannot be read ({e.strerror}), but image "
            f"{item.key!r} needs it") from e
      digest.update(json.dumps(
          [item.key, path, stat.st_size, stat.st_mtime_ns]).encode())
  return digest.hexdigest()[:16]


def _prepare(folder, spec, items, read, expand):
  """Writes the store beside its final folder and moves it there in one step."""
  try:
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = pathlib.Path(
        tempfile.mkdtemp(prefix=f".{spec.name}-", dir=folder.parent))
  except OSError as e:
    raise errors.DataError(
        f"cache_dir: {folder.parent} cannot be written to ({e.strerror}); name "
        "another folder, with --cache_dir to prepare and with "
        "--config.data.cache_dir to train") from e
  tfds.disable_progress_bar()  # it cannot know how many images there are
  broken, facts = {}, {}
  try:
    builder = image_mask.ImageMask(
        examples=lambda: _examples(
            spec, items, read, expand, broken, facts),
        channels=spec.channels, data_dir=partial)
    with contextlib.redirect_stdout(io.StringIO()):  # says nothing of use
      builder.download_and_prepare()
    records = builder.as_data_source(
        image_mask.SPLIT,
        decoders={k: tfds.decode.SkipDecoding() for k in ("image", "label")})
    # TFDS orders records by a hash of the key.
    keys = [_text(record["key"]) for record in records]
    with open(partial / _INDEX, "w") as file:
      json.dump(keys, file)
    with open(partial / _FACTS, "w") as file:
      json.dump(facts, file)
    if broken:
      with open(partial / _BROKEN, "w") as file:
        json.dump(broken, file, indent=1)
    try:
      partial.rename(folder)
    except OSError:
      if not folder.exists():  # else another process was faster
        raise
  finally:
    shutil.rmtree(partial, ignore_errors=True)


def _examples(spec, items, read, expand, broken, facts):
  """Yields all records that can be stored, in the items' order.

  Puts {key: message} of the other images into `broken`. A volume or an
  archive that cannot be read at all is no image: its error ends this.
  """
  for key, record in _records(spec, items, read, expand):
    if isinstance(record, errors.DataError):
      broken[key] = str(record)
      tolerance.check(broken, spec.name)
    else:
      record, facts[key] = record
      yield key, record


def _records(spec, items, read, expand):
  """(key, features, or the error that says what is wrong) of all images."""
  bar = tqdm.tqdm(total=len(items), desc=f"preparing {spec.name}",
                  disable=not sys.stderr.isatty())
  with bar, futures.ThreadPoolExecutor() as pool:
    if expand:  # a volume or an archive: one at a time fills the memory enough
      for item in items:
        for name, *arrays in expand(item, spec.channels):
          key = f"{item.key}//{name}"
          yield key, _checked(spec, item, key, lambda *_, x=arrays: x)
        bar.update()
      return
    one = lambda i: (i.key, _checked(spec, i, i.key, read))
    for start in range(0, len(items), _AHEAD):
      for record in pool.map(one, items[start:start + _AHEAD]):
        yield record
        bar.update()


def _checked(spec, item, key, read):
  """Features of one image, or the error that its files raise."""
  try:
    return _features(spec, item, key, *read(item, spec.channels))
  except errors.DataError as error:
    return error


def _features(spec, item, key, content, mask):
  image = image_files.decode_image(content, spec.channels, item.image)
  facts = sources_lib.Facts.of(
      image.shape, mask, turned=image_files.orientation(content) > 1,
      digest=hashlib.sha256(content).hexdigest()[:16])
  if mask is None:
    mask = np.zeros((1, 1), np.uint8)
  else:
    where = item.masks[0] if item.masks else item.image
    if mask.shape != image.shape[:2]:
      if image_files.orientation(content) > 1 and (
          mask.shape == image.shape[1::-1]):
        raise errors.DataError(
            f"{where}: mask is {mask.shape[1]} x {mask.shape[0]}, as its image "
            f"{item.image} is stored, but an EXIF orientation turns that image "
            f"to {image.shape[1]} x {image.shape[0]}. Turn the mask, too, or "
            "take the orientation off the image")
      raise errors.DataError(
          f"{where}: mask is {mask.shape[1]} x {mask.shape[0]}, but its "
          f"image {item.image} is {image.shape[1]} x {image.shape[0]}")
    image_files.check_classes(mask, spec.num_classes, spec.ignore_index, where)
  return {"image": content, "label": image_files.encode_png(mask),
          "key": key}, facts


def _read_json(path) -> dict:
  return json.loads(path.read_text()) if path.exists() else {}


def _content(value) -> bytes:
  return value.read() if isinstance(value, io.IOBase) else bytes(value)


def _text(value) -> str:
  return value.decode() if isinstance(value, bytes) else str(value)

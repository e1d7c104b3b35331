"""Data sets by name: `load("toy_faces", size=32)` gives a spec and its splits.

A data set is one module in `semseg_jax/data/sets/` with a function
`make(*, data_dir, cache_dir, size, seed) -> Dataset`; its name is the file's. A
module with a tuple `VARIANTS` is also loaded as `name/variant` ("cityscapes/
half") and gets `variant` as a further argument.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import importlib
import pkgutil
import sys

import numpy as np
import tqdm

from semseg_jax.data import errors
from semseg_jax.data import flips
from semseg_jax.data import pascal
from semseg_jax.data import sources
from semseg_jax.data import tolerance
from semseg_jax.data.formats import contents

_PACKAGE = "semseg_jax.data.sets"
# More than any published number of labels.
_BLANK_IMAGES = 100_000


# Names of a class 0 that is what no other class is.
_BACKGROUNDS = (*contents.BACKGROUND, "rest", "unknown", "other", "none")


def has_background(class_names: Sequence[str]) -> bool:
  """Whether class 0 is the background by its name, and no thing as the sky."""
  return class_names[0].lower() in _BACKGROUNDS


@dataclasses.dataclass(frozen=True)
class Spec:
  """What every user of a data set has to know about it.

  colors: uint8 [C, 3]; ignore_index: label of pixels that are neither trained
  on nor scored; channels: 3 (RGB) or 1 (gray); flip: what a mirror image does
  to the classes (see `flips`), by default nothing, and no flips where names
  tell left from right.
  """
  name: str
  class_names: tuple[str, ...]
  colors: np.ndarray
  ignore_index: int = 255
  channels: int = 3
  licence: str = ""
  citation: str = ""
  flip: flips.Rule = ()

  def __post_init__(self):
    if self.flip == ():
      object.__setattr__(self, "flip", flips.default(self.class_names))
    assert self.flip is None or sorted(self.flip) == list(
        range(self.num_classes)), self.flip
    assert self.colors.shape == (len(self.class_names), 3), self.colors.shape
    assert self.colors.dtype == np.uint8, self.colors.dtype
    assert self.channels in (1, 3), self.channels

  @property
  def num_classes(self) -> int:
    return len(self.class_names)


@dataclasses.dataclass(frozen=True)
class Dataset:
  """A spec, its splits, and the id lists that say which labels a run gets.

  splits: name -> source. Names used by the code: `train_labeled` (or `train`),
    `unlabeled`, `val`, `test`, and `ood_*` for out-of-domain splits.
  lists: name -> ids, read by `subsets.select`: `labeled_{k}_seed{s}` and
    `unlabeled_{k}`.
  labels_by_volume: label counts are volumes, of which all slices are labeled;
    the lists `labeled_*` then hold names of volumes.
  """
  spec: Spec
  splits: Mapping[str, sources.Source]
  lists: Mapping[str, tuple[str, ...]] = dataclasses.field(
      default_factory=dict)
  labels_by_volume: bool = False


BLANK = "blank"


def blank(size: int, num_classes: int, channels: int, *,
          colored: bool = False) -> Dataset:
  """Black images of class 0 in every usual split: for planning a run.

  The classes are numbered; `colored` gives them VOC's colors.
  """
  spec = Spec(
      name=BLANK, class_names=tuple(f"class{i}" for i in range(num_classes)),
      colors=pascal.palette(num_classes) if colored else np.zeros(
          (num_classes, 3), np.uint8), channels=channels)
  image = (np.zeros((size, size, channels), np.uint8),
           np.zeros((size, size), np.uint8))
  return Dataset(spec, {
      name: sources.Rendered(
          lambda i: image, [str(i) for i in range(_BLANK_IMAGES)],
          labeled=name != "unlabeled")
      for name in ("train_labeled", "unlabeled", "val", "test")})


def names() -> tuple[str, ...]:
  """The data sets there are."""
  package = importlib.import_module(_PACKAGE)
  return tuple(sorted(m.name for m in pkgutil.iter_modules(package.__path__)))


def full_name(name: str, variant: str) -> str:
  """Name of a variant's spec, which becomes part of file names."""
  return f"{name}_{variant}" if variant else name


def load(name: str, *, data_dir: str | None = None,
         cache_dir: str | None = None, size: int | None = None, seed: int = 0,
         broken: int | None = None) -> Dataset:
  """Opens the data set `name`; file-based ones are prepared on first use.

  Args:
    name: a module of `semseg_jax/data/sets/`, or module/variant.
    data_dir: where a file-based set lies: its own folder, or one that holds a
      folder `name`.
    cache_dir: where the prepared form is stored; by default a folder
      `semseg_jax` in the user's cache folder.
    size: side of the square images wanted. Rendered sets render at it (64 if
      None); file-based sets keep their native sizes, the pipeline resizes.
    seed: of what a rendered set shows; file-based sets ignore it.
    broken: how many unreadable images are let pass; a source has them in
      `broken`, {id: what is wrong}, and raises when asked for one. None: as
      many as the data set that this one is a part of, else 0.

  Raises:
    errors.DataError: no such data set, or unusable files.
  """
  base, _, variant = name.partition("/")
  if base not in names():
    raise errors.DataError(
        f"data.name: no data set {name!r}; there are {', '.join(names())} "
        "(each a module of semseg_jax/data/sets)")
  module = importlib.import_module(f"{_PACKAGE}.{base}")
  known = getattr(module, "VARIANTS", ())
  if variant and variant not in known:
    raise errors.DataError(
        f"data.name: data set {base!r} has no variant {variant!r}; it has "
        f"{', '.join(known) or 'none'}")
  with tolerance.of(broken):
    return module.make(
        data_dir=data_dir, cache_dir=cache_dir, size=size, seed=seed,
        **({"variant": variant} if variant else {}))


def split(dataset: Dataset, name: str) -> sources.Source:
  """A non-empty split, or an error naming the ones there are."""
  if name not in dataset.splits:
    raise errors.DataError(
        f"data set {dataset.spec.name!r} has no split {name!r}; "
        f"it has {', '.join(sorted(dataset.splits))}")
  source = dataset.splits[name]
  if not len(source):
    raise errors.DataError(
        f"split {name!r} of data set {dataset.spec.name!r} is empty")
  return source


def verify(dataset: Dataset, splits: Iterable[str], *,
           scored: bool = False) -> None:
  """Reads every image of the splits once, so that no run fails on one late.

  Prepared sources were checked when they were prepared, rendered ones are
  right by construction: of these a single image is read.

  Args:
    dataset: of the splits.
    splits: their names.
    scored: all need masks; else those called unlabeled* do not.

  Raises:
    errors.DataError: names the first image or split that cannot be used.
  """
  for name in splits:
    source = split(dataset, name)
    if not source.labeled and (
        scored or not name.startswith("unlabeled")):
      raise errors.DataError(
          f"split {name!r} of data set {dataset.spec.name!r} has no masks, so "
          "it cannot be scored")
    for message in sources.broken(source).values():
      raise errors.DataError(f"split {name!r} cannot be scored: {message}")
    trusted = getattr(source, "checked", False)
    indices = range(1 if trusted else len(source))
    for i in tqdm.tqdm(
        indices,
        desc=f"checking {name}",
        disable=trusted or not sys.stderr.isatty()):
      _check_example(dataset.spec, name, source, i)


def _check_example(spec, split_name, source, index):
  where = f"{spec.name}/{split_name}/{source.ids[index]}"
  example = source[index]
  image = example["image"]
  if image.dtype != np.uint8 or image.shape[2:] != (spec.channels,):
    raise errors.DataError(
        f"{where}: image is {image.dtype} {image.shape}, expected uint8 "
        f"[H, W, {spec.channels}]")
  if not source.labeled:
    return
  label = example["label"]
  if label.shape != image.shape[:2]:
    raise errors.DataError(
        f"{where}: label is {label.shape}, image {image.shape[:2]}")
  bad = (label >= spec.num_classes) & (label != spec.ignore_index)
  if bad.any():
    raise errors.DataError(
        f"{where}: class index {int(label[bad][0])}, but there are "
        f"{spec.num_classes} classes (0 to {spec.num_classes - 1}, "
        f"{spec.ignore_index} = ignore)")

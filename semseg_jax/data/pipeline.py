"""Training and evaluation batches from sources, through Grain.

The training stream is a function of (seed, step) alone: it is resumed by
slicing it, and the global batch of a step is the same for any process count.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import functools
import sys
from typing import NamedTuple

import grain
import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import geometry
from semseg_jax.data import sources
from semseg_jax.data import tolerance
from semseg_jax.data import transforms

AugmentOptions = transforms.AugmentOptions

_DEFAULT_AUGMENT = AugmentOptions()

_ENDLESS = sys.maxsize

# Prepared examples of a source are cached up to this size.
_CACHE_BYTES = 1 << 30


class Stream(NamedTuple):
  """One key of the batches: a source's examples, endless and shuffled.

  source: of the examples.
  batch_size: global, split over processes.
  prepare: example -> dict of arrays; without randomness, so that its results
    are cached in memory when all of them fit.
  change: (what `prepare` gave, rng) -> dict of arrays of one shape.
  seed: of order and changes.
  """
  source: sources.Source
  batch_size: int
  prepare: Callable
  change: Callable
  seed: int


def train_batches(
    labeled: sources.Source | None, unlabeled: sources.Source | None, *,
    size: int | tuple[int, int], batch_size: int, unlabeled_batch_size: int,
    seed: int, augment: AugmentOptions = _DEFAULT_AUGMENT,
    crop: geometry.Crop | None = None, **rows) -> Iterator[dict]:
  """Endless batches for the steps start_step, start_step + 1, ...

  Args:
    labeled, unlabeled: the streams; None leaves a stream's key away.
    size: side S of the square images, or (height, width).
    batch_size, unlabeled_batch_size: global sizes, split over processes.
    seed: of order and augmentation.
    augment: what is done to the images.
    crop: random crops instead of resizing to `size`.
    **rows: see `batches`.

  Yields:
    {"labeled": {"image": uint8 [B, S, S, C], "label": int32 [B, S, S]},
     "unlabeled": {"image": uint8 [B, S, S, C]}}, B per process. A source
    smaller than a batch is gone through several times per batch, each round
    in a new order.
  """
  streams = {}
  if labeled is not None:
    streams["labeled"] = labeled_stream(
        labeled, batch_size, size=size, seed=2 * seed, augment=augment,
        crop=crop)
  if unlabeled is not None:
    streams["unlabeled"] = unlabeled_stream(
        unlabeled, unlabeled_batch_size, size=size, seed=2 * seed + 1,
        augment=augment, crop=crop)
  return batches(streams, **rows)


def labeled_stream(source, batch_size, *, size, seed, augment, crop=None):
  """The stream of augmented images and labels that `train_batches` gives."""
  if not source.labeled:
    raise errors.DataError("a labeled stream needs a source with labels")
  prepare, cropped = _views(size, crop, with_label=True)
  return Stream(
      source, batch_size, prepare,
      lambda x, rng: transforms.augment_labeled(cropped(x, rng), rng, augment),
      seed)


def unlabeled_stream(source, batch_size, *, size, seed, augment, crop=None):
  """The stream of flipped images that `train_batches` gives."""
  prepare, cropped = _views(size, crop, with_label=False)
  return Stream(
      source, batch_size, prepare,
      lambda x, rng: transforms.augment_unlabeled(
          cropped(x, rng), rng, augment), seed)


def batches(streams: Mapping[str, Stream], *, start_step: int = 0,
            process_index: int = 0, process_count: int = 1, workers: int = 0,
            broken: int = 0) -> Iterator[dict]:
  """Endless batches {key: {name: [B, ...]}} of several streams.

  Args:
    streams: by key.
    start_step: the first step asked for, e.g. the one to resume at.
    process_index, process_count: this process's rows of the global batch.
    workers: reading threads beside the main one.
    broken: how many images of a stream may turn out unreadable; the next one
      comes in their stead.
  """
  if not streams:
    raise errors.DataError("neither labeled nor unlabeled images to train")
  return _joined({
      key: _stream(stream, start_step, workers, broken,
                   process_index=process_index, process_count=process_count)
      for key, stream in streams.items()})


def prepared(example, *, size: int | tuple[int, int] | None, with_label: bool
             ) -> dict[str, np.ndarray]:
  """{"image"} or {"image", "label"}, resized; None: at its own size."""
  result = {"image": example["image"]}
  if with_label:
    result["label"] = example["label"]
  if size is not None:
    result["image"] = transforms.resize_image(result["image"], size)
    if with_label:
      result["label"] = transforms.resize_label(result["label"], size)
  return result


def eval_batches(source: sources.Source, *, size: int | tuple[int, int],
                 batch_size: int, fill: tuple[int, ...] | None = None
                 ) -> Iterator[dict]:
  """All images once, in order, in batches of one shape.

  Args:
    source: of the images.
    size: side S of squares, or (height, width), to resize to.
    batch_size: B.
    fill: a color; images are then not resized to `size`, but padded with it
      on the right and below.

  Yields:
    {"image": uint8 [B, S, S, C], "index": int32 [B], "mask": bool [B]}; the
    last batch repeats the last image where `mask` is False. Labels at native
    size are `source[index]["label"]`.
  """
  if not len(source):
    raise errors.DataError("a source without images")
  for start in range(0, len(source), batch_size):
    wanted = np.arange(start, start + batch_size)
    index = np.minimum(wanted, len(source) - 1).astype(np.int32)
    yield {
        "image": np.stack([_fitted(source[i], size, fill) for i in index]),
        "index": index,
        "mask": wanted < len(source),
    }


def _fitted(example, size, fill):
  if fill is None:
    return transforms.resize_image(example["image"], size)
  image = {"image": example["image"], "id": example["id"]}
  return geometry.padded_to(
      image, transforms.sides(size), fill=fill)["image"]


def _views(size, crop, *, with_label):
  """(prepare, random crop) of a stream."""
  prepare = functools.partial(
      prepared, size=None if crop else size, with_label=with_label)
  if crop is None:
    return prepare, lambda example, rng: example
  return prepare, lambda example, rng: geometry.random_crop(example, rng, crop)


class _Prepared:
  """A source's prepared examples, cached in memory while they fit.

  Decoding a JPEG costs more than everything else here, so a set that fits is
  decoded once per run.
  """

  def __init__(self, source: sources.Source, prepare: Callable):
    if not len(source):
      raise errors.DataError("a source without images")
    self._source, self._prepare = source, prepare
    self._cache, self._free = {}, _CACHE_BYTES

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> dict[str, np.ndarray]:
    index = int(index)
    if index in self._cache:
      return self._cache[index]
    example = self._prepare(self._source[index])
    size = sum(x.nbytes for x in example.values())
    if size <= self._free:
      self._free -= size
      self._cache[index] = example
    return example


def _stream(stream, start_step, workers, broken, *, process_index,
            process_count):
  source, batch_size, prepare, change, seed = stream
  source = tolerance.Skipping(_Prepared(source, prepare), broken)
  if batch_size < 1 or batch_size % process_count:
    raise errors.DataError(
        f"batch size {batch_size} must be a positive multiple of the "
        f"{process_count} processes")
  # Batches of one process's rows, of which a global batch is `process_count`
  # consecutive ones: augmentation and order hang on the global position.
  dataset = (
      grain.MapDataset.range(_ENDLESS)
      .seed(seed)
      .map(_shuffled_rounds(source, seed))
      .random_map(change)
      .batch(batch_size // process_count, drop_remainder=True, batch_fn=_stack)
      [process_index::process_count]
      [start_step:])
  return dataset.to_iter_dataset(
      grain.ReadOptions(num_threads=workers, prefetch_buffer_size=2 * workers))


def _shuffled_rounds(source, seed):
  """Position in the endless stream -> example; every round in a new order.

  Grain's own shuffle costs a millisecond an index when there are few images
  (it searches 2**16 values for one in range), more than all the rest.
  """
  count = len(source)

  @functools.lru_cache(maxsize=4)
  def order(number):
    return np.random.default_rng([seed, number]).permutation(count)

  return lambda i: source[order(i // count)[i % count]]


def _stack(examples):
  batch = {k: np.stack([x[k] for x in examples]) for k in examples[0]}
  if "label" in batch:
    batch["label"] = batch["label"].astype(np.int32)
  return batch


def _joined(streams):
  iterators = {name: iter(stream) for name, stream in streams.items()}
  while True:
    yield {name: next(iterator) for name, iterator in iterators.items()}

"""Training and evaluation batches from sources, through Grain.

The training stream is a function of (seed, step) alone: it is resumed by
slicing it, and the global batch of a step is the same for any process count.
"""

from collections.abc import Iterator
import functools
import sys

import grain
import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import sources
from semseg_jax.data import tolerance
from semseg_jax.data import transforms

AugmentOptions = transforms.AugmentOptions

_DEFAULT_AUGMENT = AugmentOptions()

_ENDLESS = sys.maxsize

# Resized pictures of a source are kept when all of them fit into this.
_CACHE_BYTES = 1 << 30


def train_batches(
    labeled: sources.Source | None,
    unlabeled: sources.Source | None,
    *,
    size: int,
    batch_size: int,
    unlabeled_batch_size: int,
    seed: int,
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    augment: AugmentOptions = _DEFAULT_AUGMENT,
    workers: int = 0,
    broken: int = 0,
) -> Iterator[dict]:
  """Endless batches for the steps start_step, start_step + 1, ...

  Args:
    labeled, unlabeled: the streams; None leaves a stream's key away.
    size: side S of the square pictures.
    batch_size, unlabeled_batch_size: global sizes, split over processes.
    seed: of order and augmentation.
    start_step: the first step asked for, e.g. the one to resume at.
    process_index, process_count: which rows of the global batch are ours.
    augment: what is done to the pictures.
    workers: reading threads beside the main one.
    broken: how many pictures of a stream may turn out unreadable; the next one
      comes in their stead.

  Yields:
    {"labeled": {"image": uint8 [B, S, S, C], "label": int32 [B, S, S]},
     "unlabeled": {"image": uint8 [B, S, S, C]}}, B per process. A source
    smaller than a batch is gone through several times per batch, each round
    in a new order.
  """
  rows = {"process_index": process_index, "process_count": process_count}
  streams = {}
  if labeled is not None:
    streams["labeled"] = _stream(
        tolerance.Skipping(_Resized(labeled, size), broken),
        lambda x, rng: transforms.augment_labeled(x, rng, augment),
        batch_size, 2 * seed, start_step, workers, **rows)
  if unlabeled is not None:
    streams["unlabeled"] = _stream(
        tolerance.Skipping(
            _Resized(unlabeled, size, with_label=False), broken),
        lambda x, rng: transforms.augment_unlabeled(x, rng, augment),
        unlabeled_batch_size, 2 * seed + 1, start_step, workers, **rows)
  if not streams:
    raise errors.DataError("neither labelled nor unlabelled pictures to train")
  return _joined(streams)


def eval_batches(
    source: sources.Source, *, size: int, batch_size: int
) -> Iterator[dict]:
  """All pictures once, in order, in batches of one shape.

  Yields:
    {"image": uint8 [B, S, S, C], "index": int32 [B], "mask": bool [B]}; the
    last batch repeats the last picture where `mask` is False. Labels at native
    size are `source[index]["label"]`.
  """
  if not len(source):
    raise errors.DataError("a source without pictures")
  for start in range(0, len(source), batch_size):
    wanted = np.arange(start, start + batch_size)
    index = np.minimum(wanted, len(source) - 1).astype(np.int32)
    yield {
        "image": np.stack([
            transforms.resize_image(source[i]["image"], size) for i in index]),
        "index": index,
        "mask": wanted < len(source),
    }


class _Resized:
  """A source's pictures as squares, kept in memory when all of them fit.

  Decoding a JPEG costs more than everything else here, so a set that fits is
  decoded once per run.
  """

  def __init__(
      self, source: sources.Source, size: int, *, with_label: bool = True
  ):
    if not len(source):
      raise errors.DataError("a source without pictures")
    if with_label and not source.labeled:
      raise errors.DataError("a labelled stream needs a source with labels")
    self._source = source
    self._size = size
    self._with_label = with_label
    # At most three channels and a label.
    self._keep = len(source) * size * size * 4 <= _CACHE_BYTES
    self._cache = {}

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> dict[str, np.ndarray]:
    index = int(index)
    if index in self._cache:
      return self._cache[index]
    example = self._source[index]
    resized = {"image": transforms.resize_image(example["image"], self._size)}
    if self._with_label:
      resized["label"] = transforms.resize_label(example["label"], self._size)
    if self._keep:
      self._cache[index] = resized
    return resized


def _stream(source, augment, batch_size, seed, start_step, workers, *,
            process_index, process_count):
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
      .random_map(augment)
      .batch(batch_size // process_count, drop_remainder=True, batch_fn=_stack)
      [process_index::process_count]
      [start_step:])
  return dataset.to_iter_dataset(
      grain.ReadOptions(num_threads=workers, prefetch_buffer_size=2 * workers))


def _shuffled_rounds(source, seed):
  """Position in the endless stream -> example; every round in a new order.

  Grain's own shuffle costs a millisecond an index when there are few pictures
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

"""The data streams of a config: data set, subsets and batches."""

import dataclasses
import functools
from typing import Any

from absl import logging
import jax
import jax.numpy as jnp

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import flips
from semseg_jax.data import geometry
from semseg_jax.data import pipeline
from semseg_jax.data import sources
from semseg_jax.data import statistics
from semseg_jax.data import subsets
from semseg_jax.ops import image_ops


def dataset(config) -> datasets.Dataset:
  """The data set of `config.data`, checked against what the config states.

  Raises ValueError: none is named, or the number of classes or channels, or the
  ignore index, differs from the config.
  """
  c = config.data
  if not c.name:
    raise ValueError("config.data.name is empty, so there are no images to "
                     "train on or to score: name a data set of the same "
                     "classes, and its folder by config.data.data_dir")
  return _load(c.name, c.data_dir, c.cache_dir, c.size, c.num_classes,
               c.channels, c.ignore_index, c.seed, tuple(c.geometry.resize),
               config.faults.max_unreadable_images)


def _remedy(name, field, value) -> str:
  """What to do about it, where configs leave it to the user."""
  # The configs of folders have an argument of another name for it.
  argument = field.removeprefix("num_")
  return (f"; write --config=...:{argument}={value} or, with configs that do "
          f"not take it, --config.data.{field}={value}"
          if name == "folder" else "")


@functools.lru_cache(maxsize=4)
def _load(name, data_dir, cache_dir, size, num_classes, channels, ignore_index,
          seed, resize, broken):
  loaded = _open(name, data_dir, cache_dir, size, num_classes, channels, seed,
                 broken)
  if name == datasets.BLANK:
    return loaded
  count = len(loaded.spec.class_names)
  # Images alone have no classes to agree on.
  labeled = any(x.labeled for x in loaded.splits.values())
  if labeled and count != num_classes:
    raise ValueError(
        f"config.data.num_classes is {num_classes}, but data set {name!r} has "
        f"{count} classes: {', '.join(loaded.spec.class_names)}"
        + _remedy(name, "num_classes", count))
  if loaded.spec.channels != channels:
    raise ValueError(
        f"config.data.channels is {channels}, but data set {name!r} has "
        f"images of {loaded.spec.channels}"
        + _remedy(name, "channels", loaded.spec.channels))
  if ignore_index not in (None, loaded.spec.ignore_index):
    raise ValueError(
        f"config.data.ignore_index is {ignore_index}, but data set {name!r} "
        f"(its classes.json, where it has one) ignores "
        f"{loaded.spec.ignore_index}: leave the field as it is, it follows the "
        "data set")
  if resize:
    loaded = dataclasses.replace(loaded, splits={
        k: geometry.Viewed(v, shape=resize) for k, v in loaded.splits.items()})
  return loaded


@functools.lru_cache(maxsize=4)
def _open(name, data_dir, cache_dir, size, num_classes, channels, seed, broken):
  """The data set as it is, whatever else the config states."""
  if name == datasets.BLANK:
    return datasets.blank(size, num_classes, channels)
  return datasets.load(
      name, data_dir=data_dir or None, cache_dir=cache_dir, size=size,
      seed=seed, broken=broken)


def _spec(config) -> datasets.Spec:
  c = config.data
  return _open(c.name, c.data_dir, c.cache_dir, c.size, c.num_classes,
               c.channels, c.seed, config.faults.max_unreadable_images).spec


def ignore_index(config) -> int:
  """The label of pixels that do not count: the data set's.

  `dataset` checks that what the config states agrees with it.
  """
  if config.data.ignore_index is not None:
    return config.data.ignore_index
  return _spec(config).ignore_index if config.data.name else 255


def flip_rule(config) -> flips.Rule:
  """What a mirror image does to the classes; None: there are no flips."""
  if config.data.name:
    return _spec(config).flip
  return tuple(range(config.data.num_classes))


def check_names(config, spec: datasets.Spec, where: str) -> None:
  """Raises where masks painted by hand have other classes than the data set's.

  Labels would be scored as other classes. A data set without masks has none.

  Args:
    spec: of the painted masks.
    where: they are, for the message.

  Raises errors.DataError: names both.
  """
  if config.data.name in ("", datasets.BLANK):
    return
  own = dataset(config)
  names = own.spec.class_names
  if spec.class_names != names and any(
      x.labeled for x in own.splits.values()):
    raise errors.DataError(
        f"{where}/classes.json names the classes "
        f"{', '.join(spec.class_names)}, but data set {config.data.name!r} has "
        f"{', '.join(names)}: write these, in this order, or set "
        "config.data.name to a data set without masks")


def check_overlap(config, splits=()) -> None:
  """Raises if images of the labeled pool are scored, too.

  Args:
    config: of the run.
    splits: that are scored, chosen by the user, the labeled pool perhaps; none:
      the config's.

  Raises errors.DataError: names images and splits; unless `data.allow_overlap`.
  """
  c = config.data
  stages, shots = config.get("stages", ()), config.get("shots", {})
  # Annotators and shots have labels of the pool besides the config's count.
  labels = (c.num_labeled or "fully_supervised" in stages
            or "shots" in stages and not shots.folder
            or shots.get("source") == "projected")
  loaded = dataset(config)
  pool = subsets.pool_of(loaded)
  learns = bool(labels and pool and loaded.splits[pool].labeled)
  scored = set(splits or (c.validation, c.in_domain, *c.out_of_domain))
  if pool in scored and learns and not splits and not c.allow_overlap:
    raise errors.DataError(
        f"data set {c.name!r}: split {pool!r} is trained on and scored: "
        "score another, or set config.data.allow_overlap=True")
  overlaps = statistics.overlaps(loaded, scored)
  for (split, other), message in overlaps.items():
    if other == pool:
      continue
    if split == pool and learns and not c.allow_overlap:
      raise errors.DataError(
          f"data set {c.name!r}: {message}. A score on images that were "
          "trained on says little: take them out of one of the two lists, or "
          "set config.data.allow_overlap=True")
    logging.warning("data set %s: %s", c.name, message)


def remark(config) -> None:
  """Logs what looks wrong in a data set, and may be meant."""
  for message in (*statistics.turned(dataset(config)),
                  *statistics.copies(dataset(config)).values(),
                  *statistics.volumes_in_two(dataset(config)).values()):
    logging.warning("data set %s: %s", config.data.name, message)


def train_sources(config):
  """The labeled and unlabeled sources of `config.data`, or None.

  Without the images that are known to be broken, where the config lets them
  pass.
  """
  c = config.data
  pools = subsets.select(
      dataset(config), num_labeled=c.num_labeled, num_unlabeled=c.num_unlabeled,
      split_seed=c.split_seed, pool_repeats=c.pool_repeats)
  return tuple(source and sources.sound(source) for source in pools)


def train_batches(config, *, batch_size: int, unlabeled_batch_size: int,
                  start_step: int, augment: Any = None):
  """Batches from `start_step` on; this process's rows of each global batch.

  A batch size of 0 leaves that stream out.
  """
  labeled, unlabeled = train_sources(config)
  return pipeline.train_batches(
      labeled if batch_size else None,
      unlabeled if unlabeled_batch_size else None, size=shape(config),
      batch_size=batch_size, unlabeled_batch_size=unlabeled_batch_size,
      seed=config.seed, augment=augment or augment_options(config),
      crop=crop_options(config), **stream_rows(config, start_step))


def stream_rows(config, start_step: int) -> dict:
  """Which rows of the batches this process reads, and how."""
  return dict(start_step=start_step, process_index=jax.process_index(),
              process_count=jax.process_count(), workers=config.data.workers,
              broken=config.faults.max_unreadable_images)


def shape(config) -> tuple[int, int]:
  """(height, width) of training images."""
  return tuple(config.data.geometry.shape) or (config.data.size,) * 2


def evaluation_shape(config) -> tuple[int, int]:
  """(height, width) of the images that networks label in evaluation."""
  return tuple(config.data.geometry.evaluate) or shape(config)


def padding(config) -> tuple[int, ...] | None:
  """The color evaluation images are padded with; None: they are resized."""
  g = config.data.geometry
  return tuple(g.fill) if g.pad_evaluation else None


def crop_options(config) -> geometry.Crop | None:
  """Random crops of `config.data.geometry`; None: images are resized."""
  g = config.data.geometry
  if not g.crop:
    return None
  return geometry.Crop(
      shape(config), scales=tuple(g.scales), short_side=tuple(g.short_side),
      fill=tuple(g.fill), blur=g.blur,
      fill_label=ignore_index(config) if g.fill_label is None
      else g.fill_label)


def evaluation_source(config, name: str):
  """A split as it is scored: of the protocol's size, where it has one."""
  source = datasets.split(dataset(config), name)
  side = config.data.geometry.evaluate_short_side
  return geometry.Viewed(source, short_side=side) if side else source


def source_batches(config, source, *, batch_size: int, start_step: int,
                   augment, **rows):
  """Like the labeled stream of `train_batches`, from another source.

  `rows`: of `pipeline.batches`, instead of this process's.
  """
  return pipeline.train_batches(
      source, None, size=shape(config), batch_size=batch_size,
      unlabeled_batch_size=0, seed=config.seed, augment=augment,
      crop=crop_options(config), **stream_rows(config, start_step) | rows)


def to_float(image) -> jax.Array:
  """A batch's images as a model takes them: uint8 to float32 in [-1, 1].

  Float images are in that range already and pass unchanged.
  """
  return image_ops.from_uint8(image) if image.dtype == jnp.uint8 else image


def no_augmentation() -> pipeline.AugmentOptions:
  """Images as they are."""
  return pipeline.AugmentOptions(
      flip_unlabeled=0.0, flip_labeled=0.0, affine=0.0)


def augment_options(config, **color) -> pipeline.AugmentOptions:
  """Augmentation of `config.data.augment`, with changes of color if given.

  Flips follow the data set's rule.
  """
  return pipeline.AugmentOptions(
      **config.data.augment.to_dict(), **color, mirror=flip_rule(config),
      border_label=border_label(config))


def border_label(config) -> int:
  """The label of pixels that a motion brings in from outside an image.

  Class 0 where it is the background; where it is a thing, such as the sky, they
  do not count.
  """
  if not config.data.name or datasets.has_background(
      _spec(config).class_names):
    return 0
  return ignore_index(config)

"""What a configuration cannot mean, found before anything is trained.

A stage's own `make` checks what it alone knows; here is what would show only
after hours: in evaluation, or when a GAN is first watched.
"""

from collections.abc import Mapping
import functools
import math

from etils import epath
import ml_collections

from semseg_jax.methods.common import data
from semseg_jax.ops import augment

# Parts of the images that Inception's score is averaged over.
_INCEPTION_SPLITS = 10
# Of a sample, by which precision and recall are judged.
_NEIGHBORS = 3
_DTYPES = ("float32", "bfloat16")
# Of which -1 means all.
_COUNTS_OR_ALL = ("num_labeled", "num_unlabeled")
_POSITIVE = ("batch_size", "unlabeled_batch_size", "width", "levels",
             "style_dim", "max_channels", "fpn_channels", "head_channels",
             "stem_width", "num_scales", "num_layers", "num_microbatches",
             "decay_epochs", "blocks", "widths", "units")
# How many numbers some fields hold, where they are there.
_LENGTHS = {
    "data.geometry.shape": (0, 2), "data.geometry.resize": (0, 2),
    "data.geometry.evaluate": (0, 2), "data.geometry.short_side": (0, 2),
    "mlmt.shape": (0, 2), "mlmt.blocks": (0, 4),
    "segmenter.blocks": (0, 4, 6),  # 6: of the wide ResNet
    "encoder.blocks": (4,), "encoder.widths": (4,), "encoder.units": (4,),
    "encoder.latent_split": (2,), "encoder.head_convs": (0, 3)}
_PROBABILITIES = tuple(f"config.data.augment.{x}" for x in (
    "affine", "flip_labeled", "flip_unlabeled"))
# Samples of a group in the image discriminator's minibatch deviation.
_GROUP = 4


def check(config, stages) -> None:
  """Raises for a config that cannot run to its end.

  Args:
    stages: names of those that are trained.

  Raises ValueError: names the field and what it may be.
  """
  if "gan" in stages:
    _monitor(config)
  if "inversion" in config:
    _snapshots(config.inversion)


def values(config) -> None:
  """Raises for a field whose value no run can mean.

  Raises ValueError: names the first one and what it may be.
  """
  stages = tuple(config.get("stages", ("",)))
  if not stages:
    raise ValueError("config.stages is empty: name at least one stage")
  if len(set(stages)) < len(stages):
    raise ValueError(f"config.stages names a stage twice: {', '.join(stages)} "
                     "(a flag given twice adds to the first)")
  # Outer fields first: `config.seed` is also the default of two of its data.
  for name, value in sorted(
      _numbers(config, "config"), key=lambda field: field[0].count(".")):
    last = name.rpartition(".")[2]
    if not math.isfinite(value):
      wrong = "give a number"
    elif value < 0 and last not in _COUNTS_OR_ALL:
      wrong = "give 0 or more"
    elif not value and last in _POSITIVE:
      wrong = "give 1 or more"
    elif value >= 2**32 and last.endswith("seed"):
      # JAX would take the last 32 bits, Grain all of them.
      wrong = f"give at most {2**32 - 1}"
    elif value > 1 and (last.endswith("_prob") or name in _PROBABILITIES):
      wrong = "a probability is at most 1"
    else:
      continue
    raise ValueError(f"{name} is {value}: {wrong}")
  for name, lengths in _LENGTHS.items():
    value = functools.reduce(
        lambda x, key: None if x is None else x.get(key), name.split("."),
        config)
    if value is not None and len(value) not in lengths:
      raise ValueError(f"config.{name} is {tuple(value)}: give "
                       f"{' or '.join(map(str, lengths))} numbers")
  geometry = config.get("data", {}).get("geometry", {})
  if geometry.get("scales") and geometry.get("short_side"):
    raise ValueError("config.data.geometry.scales and .short_side both size a "
                     "crop's image: give one")
  if (dtype := config.get("dtype", _DTYPES[0])) not in _DTYPES:
    raise ValueError(
        f"config.dtype is {dtype!r}; use one of {', '.join(_DTYPES)}")
  policies = config.get("gan", {}).get("augment", {})
  for name in ("policy", "pair_policy"):
    unknown = set(policies.get(name, ())) - set(augment.GROUPS)
    if unknown:
      raise ValueError(
          f"config.gan.augment.{name} has {min(unknown)!r}; choose from "
          f"{', '.join(augment.GROUPS)}")


def warnings(config) -> list[str]:
  """Lines about published networks that start from random weights."""
  c = config.get("segmenter")
  if not c or c.network != "deeplabv2" or not c.frozen_affine:
    return []
  mlmt = config.get("mlmt")
  lacking = [] if c.weights else ["config.segmenter.weights"]
  if "mlmt" in config.stages and not (mlmt.weights or mlmt.start
                                      or mlmt.backbone):
    lacking.append("config.mlmt.weights")
  return [] if not lacking else [
      f"{' and '.join(lacking)}: no file, so training starts from random "
      "weights, with batch norm's scale and bias fixed "
      "(config.segmenter.frozen_affine); as published it starts from those of "
      "ImageNet (semseg-jax convert --kind=resnet101)"]


def _numbers(config, name):
  """(name, number) of all fields, also of those within tuples."""
  if isinstance(config, Mapping | ml_collections.ConfigDict):
    for key, value in config.items():
      yield from _numbers(value, f"{name}.{key}")
  elif isinstance(config, tuple | list):
    for value in config:
      yield from _numbers(value, name)
  elif isinstance(config, int | float) and not isinstance(config, bool):
    yield name, config


def labels(config, stage: str) -> None:
  """Raises ValueError for a config without labeled images."""
  if not config.data.num_labeled:
    raise ValueError(f"stage {stage!r} needs labeled images: set "
                     "config.data.num_labeled to a count, or -1 for all")


def gan_batch(size: int, parts: int, field: str) -> None:
  """Raises ValueError unless a discriminator's batch divides into groups.

  Args:
    parts: that it is taken in.
    field: of the config that states the size.
  """
  part = size // max(parts, 1)
  if size < 1 or (part >= _GROUP and part % _GROUP):
    of = f" (in {parts} parts, config.num_microbatches)" if parts > 1 else ""
    raise ValueError(
        f"{field} is {size}{of}: the discriminator compares images in groups "
        f"of {_GROUP}, so give a multiple of {_GROUP} for each part, or less "
        f"than {_GROUP}")


def _monitor(config):
  count = config.monitor.samples
  if not count:
    return
  weights = config.monitor.inception
  if weights and not epath.Path(weights).exists():
    raise ValueError(f"config.monitor.inception: no such file: {weights}")
  least = _INCEPTION_SPLITS if config.monitor.inception else (
      _NEIGHBORS + 1 if config.monitor.network else 2)
  if count < least:
    raise ValueError(
        f"config.monitor.samples is {count}: "
        + ("Inception's score is averaged over 10 parts, give at least 10"
           if config.monitor.inception else
           f"a distance needs at least {least}")
        + ", or 0 to watch nothing")
  if not config.data.name:
    return
  _, unlabeled = data.train_sources(config)
  images = len(unlabeled) if unlabeled is not None else 0
  if images < least:
    raise ValueError(
        f"config.monitor.samples is {count}, but there are {images} unlabeled "
        f"images to compare samples with, and at least {least} are needed: "
        "give more images (config.data.num_unlabeled), or set "
        "config.monitor.samples=0")


def _snapshots(c):
  beyond = [s for s in c.snapshots if not 0 <= s <= c.steps]
  if beyond:
    raise ValueError(
        f"config.inversion.snapshots has {beyond[0]}, but "
        f"config.inversion.steps is {c.steps}: set both, as in "
        f"--config.inversion.snapshots="
        f"{str(tuple(s for s in c.snapshots if s not in beyond))!r}")

"""Data sets made of others: one to train on, more to learn or test on."""

from collections.abc import Mapping
import dataclasses

from absl import logging

from semseg_jax.data import datasets
from semseg_jax.data import errors


def combine(name: str, home: str, more: Mapping[str, tuple[str, str]], *,
            data_dir: str | None, cache_dir: str | None, size: int | None
            ) -> datasets.Dataset:
  """The data set `home` with splits of others beside its own.

  Args:
    home: gives classes, lists, and splits.
    more: split -> (data set, its split). A split `ood_*` of which nothing is
      there is left out with a warning; any other must be there.
    data_dir: holds the downloads, each in a folder of its data set's name or
      directly.
    cache_dir, size: see `datasets.load`.
  """
  loaded = {}

  def load(part):
    if part not in loaded:
      loaded[part] = datasets.load(
          part, data_dir=data_dir, cache_dir=cache_dir, size=size)
    return loaded[part]

  whole = load(home)
  splits = dict(whole.splits)
  for split, (part, of) in more.items():
    try:
      other = load(part)
      if of not in other.splits:
        raise errors.AbsentError(f"data set {part!r} has no split {of!r} here")
    except errors.AbsentError as e:
      if not split.startswith("ood_"):
        raise
      logging.warning("%s: no split %r: %s", name, split, e)
      continue
    if other.spec.class_names != whole.spec.class_names:
      raise errors.DataError(
          f"data set {part!r} has the classes {other.spec.class_names}, "
          f"{home!r} has {whole.spec.class_names}")
    splits[split] = datasets.split(other, of)
  join = lambda field: "; ".join(dict.fromkeys(
      f"{x.spec.name}: {getattr(x.spec, field)}" for x in loaded.values()))
  spec = dataclasses.replace(
      whole.spec, name=name, licence=join("licence"),
      citation=join("citation"))
  return dataclasses.replace(whole, spec=spec, splits=splits)

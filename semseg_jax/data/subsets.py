"""Which images a run may use with labels and which without.

The protocol of SemanticGAN, section 4: a few labeled images of a pool and
many unlabeled ones. Subsets of one split seed are nested: the images of a
smaller label count are among those of a larger one.

Order of the labeled pool for a split seed: first the data set's own lists
`labeled_{k}_seed{s}`, the smallest first, then the rest in a random order from
the split seed. `labels=k` takes the first k, so it is list k where there is
one (a list not nested in the others is still taken as it stands).

Unlabeled pool: the split `unlabeled` where there is one, as in the paper,
whatever the label count. Without one it is every image of the labeled pool,
images only, those without a label in this run first: the pool then does not
change with the label count either.

Where `Dataset.labels_by_volume` is set, the labeled pool is one of volumes:
`labels` counts them, and all slices of those chosen are labeled.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import re

import numpy as np

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import sources

_POOLS = ("train_labeled", "train")


def pool_of(dataset: datasets.Dataset) -> str | None:
  """The split that labeled images are taken from; None: there is none."""
  return next((n for n in _POOLS if n in dataset.splits), None)


def select(dataset: datasets.Dataset, *, num_labeled: int, num_unlabeled: int,
           split_seed: int, pool_repeats: int = 1
           ) -> tuple[sources.Source | None, sources.Source | None]:
  """The labeled and the unlabeled source of a run.

  Args:
    dataset: with a split `train_labeled` or `train`.
    num_labeled: how many labeled images (or volumes); -1 all, 0 none.
    num_unlabeled: how many unlabeled images; -1 all, 0 none.
    split_seed: which of the nested families of subsets.
    pool_repeats: how often an image of the labeled pool stands in the unlabeled
      source, where it does.

  Returns:
    (labeled, unlabeled), None instead of a stream of no images.

  Raises:
    errors.DataError: more images wanted than there are, or an empty split.
  """
  pool_name = pool_of(dataset)
  if pool_name is None and not num_labeled and "unlabeled" in dataset.splits:
    return None, _free(dataset, None, "", [], num_unlabeled, split_seed)
  if pool_name is None:
    raise errors.DataError(
        f"data set {dataset.spec.name!r} has no split of labeled images: "
        f"neither {' nor '.join(_POOLS)}. To train on images alone, set "
        "data.num_labeled=0 (labels=0 in the config's argument)")
  pool = datasets.split(dataset, pool_name)
  if num_labeled and not pool.labeled:
    raise errors.DataError(
        f"data.num_labeled={num_labeled}: data set {dataset.spec.name!r} has "
        "no masks, neither a folder 'masks' nor annotations. To train on "
        "images alone, set it to 0 (labels=0 in the config's argument)")
  units = pool.ids
  if dataset.labels_by_volume:
    units = tuple(dict.fromkeys(pool.volumes))
  count = _count("data.num_labeled", num_labeled, len(units), pool_name)
  chosen = _labeled_ids(dataset.lists, units, count, split_seed, pool_name)
  if dataset.labels_by_volume:
    slices = {unit: [] for unit in units}
    for name, volume in zip(pool.ids, pool.volumes, strict=True):
      slices[volume].append(name)
    chosen = [name for volume in chosen for name in slices[volume]]
  unlabeled = _free(
      dataset, pool, pool_name, chosen, num_unlabeled, split_seed)
  if unlabeled and pool_repeats != 1:
    unlabeled = _repeated(
        unlabeled, sources.same_images(unlabeled, pool), pool_repeats)
  return sources.by_ids(pool, chosen) if chosen else None, unlabeled


def _repeated(source, ids, times):
  """`source` with its images of these ids so many times, each at its place."""
  if times < 1:
    raise errors.DataError(f"data.pool_repeats={times}: give a count from 1 on")
  return sources.Subset(source, [
      i for i, name in enumerate(source.ids)
      for _ in range(times if name in ids else 1)], labeled=False)


def _free(dataset, pool, pool_name, chosen, wanted, seed):
  """The unlabeled source, or None."""
  if "unlabeled" in dataset.splits:
    free = datasets.split(dataset, "unlabeled")
    order = _unlabeled_order(dataset.lists, free.ids, seed)
    of = "unlabeled"
  else:
    free, of = pool, pool_name
    taken = set(chosen)
    order = _shuffled([x for x in pool.ids if x not in taken], seed)
    order += chosen
  count = _count("data.num_unlabeled", wanted, len(free), of)
  if (exact := f"unlabeled_{count}") in dataset.lists:
    order = _checked(dataset.lists[exact], exact, free.ids, of)
  return sources.by_ids(free, order[:count], labeled=False) if count else None


def _count(field, wanted, available, split):
  if wanted == -1:
    return available
  if wanted < 0:
    raise errors.DataError(f"{field}={wanted}: give a count, 0 or -1 for all")
  if wanted > available:
    raise errors.DataError(
        f"{field}={wanted}: split {split!r} has only {available} images; "
        "-1 takes all")
  return wanted


def _labeled_ids(lists, pool, count, seed, split) -> list[str]:
  named = _numbered(lists, rf"labeled_(\d+)_seed{seed}")
  if count in named:
    return list(_checked(named[count][1], named[count][0], pool, split))
  order = []
  for _, (name, ids) in sorted(named.items()):
    order += _checked(ids, name, pool, split)
  return _extended(order, pool, seed)[:count]


def _unlabeled_order(lists, pool, seed) -> list[str]:
  order = []
  for _, (name, ids) in sorted(_numbered(lists, r"unlabeled_(\d+)").items()):
    order += _checked(ids, name, pool, "unlabeled")
  return _extended(order, pool, seed)


def _extended(order, pool, seed):
  """`order` without repetitions, then the rest of the pool, shuffled."""
  order = list(dict.fromkeys(order))
  taken = set(order)
  return order + _shuffled([x for x in pool if x not in taken], seed)


def _shuffled(ids: Sequence[str], seed: int) -> list[str]:
  return [ids[i] for i in np.random.default_rng(seed).permutation(len(ids))]


def _numbered(lists: Mapping[str, Sequence[str]], pattern: str
              ) -> dict[int, tuple[str, Sequence[str]]]:
  """Lists whose name fits, by the number in it."""
  matches = ((re.fullmatch(pattern, name), name) for name in lists)
  return {int(m[1]): (name, lists[name]) for m, name in matches if m}


def _checked(ids, name, pool, split):
  missing = set(ids) - set(pool)
  if missing:
    raise errors.DataError(
        f"list {name!r} names {min(missing)!r}, which is not in split "
        f"{split!r}")
  size = re.match(r"\w*?_(\d+)", name)
  if size and len(set(ids)) != int(size[1]):
    raise errors.DataError(
        f"list {name!r} holds {len(set(ids))} different images, not "
        f"{size[1]}")
  return ids

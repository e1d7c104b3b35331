"""What a data set holds, split by split, and what about it looks wrong."""

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses

from absl import logging
import numpy as np

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import sources

# Of a split's pixels.
MOST_IGNORED = 0.05
# Rendered sources are looked at this far.
_LOOKED_AT = 200


@dataclasses.dataclass(frozen=True)
class Summary:
  """One split.

  count: images. volumes: that they are slices of, 0 where they are none.
  looked_at: images that the numbers are of. smallest, largest: (width, height)
  by area. pixels: int64 [256], of each label; None without masks. broken: {id:
  what is wrong}.
  """
  count: int
  looked_at: int
  smallest: tuple[int, int]
  largest: tuple[int, int]
  pixels: np.ndarray | None
  volumes: int = 0
  broken: Mapping[str, str] = dataclasses.field(default_factory=dict)


def summarize(dataset: datasets.Dataset) -> dict[str, Summary]:
  """{split: its summary}; rendered splits are looked at in part."""
  return {name: _summary(source)
          for name, source in sorted(dataset.splits.items()) if len(source)}


def warnings(dataset: datasets.Dataset, summaries) -> list[str]:
  """What looks wrong, a line each."""
  spec = dataset.spec
  labeled = {k: v for k, v in summaries.items() if v.pixels is not None}
  lines = []
  if labeled:
    total = sum(s.pixels for s in labeled.values())
    never = [repr(name) for i, name in enumerate(spec.class_names)
             if not total[i]]
    if never:
      lines.append(
          f"class {never[0]} never occurs" if len(never) == 1 else
          f"{len(never)} classes never occur: {', '.join(never)}")
    for split, s in labeled.items():
      missing = [repr(name) for i, name in enumerate(spec.class_names)
                 if total[i] and not s.pixels[i]]
      if missing:
        lines.append(f"{split}: without class {', '.join(missing)}")
    if spec.num_classes == 1:
      lines.append("one class alone: there is nothing to tell apart")
    if not {"train_labeled", "train"} & set(labeled):
      lines.append(
          "no list train_labeled (or train): no image is trained on with its "
          "mask")
  for split, s in labeled.items():
    share = s.pixels[spec.ignore_index] / max(s.pixels.sum(), 1)
    if share > MOST_IGNORED:
      lines.append(
          f"{split}: {spec.ignore_index} = ignored covers {share:.0%} of the "
          "pixels")
  lines += _hint_of_values(spec, labeled) or _mixed_values(spec, labeled)
  lines += overlaps(dataset).values()
  lines += copies(dataset).values()
  lines += volumes_in_two(dataset).values()
  lines += turned(dataset)
  for split, s in summaries.items():
    if s.broken:
      lines.append(f"{split}: {len(s.broken)} broken images "
                   f"({errors.few(s.broken, 3)})")
  return lines


def turned(dataset: datasets.Dataset) -> list[str]:
  """That EXIF orientations turn images, in a line; none where they do not."""
  ids = dict.fromkeys(
      i for source in dataset.splits.values()
      for i, f in (sources.facts(source) or {}).items() if f.turned)
  return [f"EXIF orientations turn {_counted(len(ids), 'image', 'images')} "
          f"({errors.few(ids, 3)}), as cameras mean it: masks must lie on the "
          "turned image"] if ids else []


def check_values(dataset: datasets.Dataset) -> None:
  """Raises where masks of two classes hold the first and the ignored one alone.

  Everything would be scored as right. Where those of some splits alone do, a
  warning says so. Of rendered sources nothing is read.

  Raises errors.DataError: says what to write into classes.json.
  """
  labeled = {name: _summary(source) for name, source in dataset.splits.items()
             if len(source) and source.labeled
             and sources.facts(source) is not None}
  for hint in _hint_of_values(dataset.spec, labeled):
    raise errors.DataError(f"data set {dataset.spec.name!r}: {hint}")
  for line in _mixed_values(dataset.spec, labeled):
    logging.warning("data set %s: %s", dataset.spec.name, line)


def notes(dataset: datasets.Dataset) -> list[str]:
  """What a user should know that is not wrong, a line each."""
  spec = dataset.spec
  if spec.flip is None:
    return ["flips: none, left and right differ"]
  pairs = [f"{spec.class_names[a]} <-> {spec.class_names[b]}"
           for a, b in enumerate(spec.flip) if a < b]
  if not pairs:
    return []
  return [f"flips: mirrored images exchange {', '.join(pairs)}"]


def overlaps(dataset: datasets.Dataset,
             scored: Iterable[str] = ()) -> dict[tuple[str, str], str]:
  """{(split, split): message} of splits that should share no image.

  Any split with one that is scored after it: training images, `unlabeled`
  (where it is harmless to some protocols), and `val` with `test`.

  Args:
    dataset: its splits are compared.
    scored: names of those that are scored; none: all but `train*` and
      `unlabeled*`.
  """
  of = {name: sources.origins(source)
        for name, source in dataset.splits.items() if len(source)}
  return {
      (a, b): f"{_counted(len(ids), 'image stands', 'images stand')} in {a} "
              f"and in {b}: {errors.few(ids, 3)}"
      for (a, b), ids in _shared(of, scored).items()}


def copies(dataset: datasets.Dataset) -> dict[tuple[str, str], str]:
  """The same of equal image files with different ids."""
  of, ids_of = {}, {}
  for name, source in dataset.splits.items():
    for i, f in (sources.facts(source) or {}).items():
      if f.digest:
        of.setdefault(name, {})[f.digest] = i
        ids_of.setdefault(name, {}).setdefault(f.digest, []).append(i)
  messages = {}
  for (a, b), ids in _shared(of).items():
    if pairs := [x for x in ids if " = " in x]:
      equal = [d for d in of[a].keys() & of[b].keys() if of[a][d] != of[b][d]]
      in_a, in_b = (sum(len(ids_of[x][d]) for d in equal) for x in (a, b))
      count = f" ({in_a} and {in_b})" if in_a + in_b > 2 else ""
      messages[a, b] = (
          f"equal files in {a} and in {b}{count}: {errors.few(pairs, 3)}")
  return messages


def volumes_in_two(dataset: datasets.Dataset) -> dict[tuple[str, str], str]:
  """The same of volumes whose slices are in two splits."""
  of = {name: {x: x for x in getattr(source, "volumes", None) or ()}
        for name, source in dataset.splits.items() if len(source)}
  return {
      (a, b): f"{_counted(len(names), 'volume has', 'volumes have')} slices in "
              f"{a} and in {b}: {errors.few(names, 3)}"
      for (a, b), names in _shared(of).items()}


def _shared(of, scored=()):
  """{(split, split): names} of what a scored split has in common with another.

  Args:
    of: {split: {anything: id}}.
    scored: see `overlaps`.
  """
  usual = [s for s in of if not s.startswith(("train", "unlabeled"))]
  shared = {}
  for split in of:
    for other in [s for s in of if s in scored] if scored else usual:
      if split == other or split in usual and (
          split, other) != ("val", "test"):
        continue
      both = of[split].keys() & of[other].keys()
      names = [(of[split][x], of[other][x]) for x in both]
      if names:
        shared[split, other] = sorted(
            a if a == b else f"{a} = {b}" for a, b in names)
  return shared


def table(dataset: datasets.Dataset, summaries) -> str:
  """A table of splits, sizes and shares of classes, in per cent."""
  spec = dataset.spec
  header = ["split", "images", "size", *spec.class_names, "ignored"]
  rows = [header]
  for split, s in summaries.items():
    size = "{} x {}".format(*s.smallest)
    if s.smallest != s.largest:
      size += " to {} x {}".format(*s.largest)
    count = f"{s.count}" + (f" of {s.volumes} volumes" if s.volumes else "")
    row = [split, count, size]
    if s.pixels is None:
      row += ["no masks"] + [""] * len(spec.class_names)
    else:
      shares = s.pixels / max(s.pixels.sum(), 1)
      row += [_percent(x) for x in shares[:spec.num_classes]]
      row.append(_percent(shares[spec.ignore_index]))
    rows.append(row)
  if len(header) > 10:  # one line a class, one column a split
    rows = [list(x) for x in zip(*rows, strict=True)]
  widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
  return "\n".join(
      "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
      .rstrip() for row in rows)


def _summary(source):
  facts = sources.facts(source)
  broken = sources.broken(source)
  volumes = len(set(getattr(source, "volumes", None) or ()))
  if facts is None:
    facts = {}
    for i in range(min(len(source), _LOOKED_AT)):
      if source.ids[i] in broken:
        continue
      example = source[i]
      facts[source.ids[i]] = sources.Facts.of(
          example["image"].shape, example.get("label"))
  sizes = sorted((f.size for f in facts.values()),
                 key=lambda s: (s[0] * s[1], s)) or [(0, 0)]
  pixels = None
  if source.labeled:
    pixels = np.zeros(256, np.int64)
    for f in facts.values():
      for value, count in f.pixels.items():
        pixels[value] += count
  return Summary(
      len(source), len(facts), sizes[0], sizes[-1], pixels, volumes, broken)


def _hint_of_values(spec, labeled):
  if spec.num_classes != 2 or not labeled:
    return []
  total = sum(s.pixels for s in labeled.values())
  if total[1] or not total[spec.ignore_index]:
    return []
  return [f"masks hold 0 and {spec.ignore_index} alone: if "
          f"{spec.ignore_index} is {spec.class_names[1]!r}, say so in "
          f'classes.json: "values": {{"0": 0, "{spec.ignore_index}": 1}}']


def _mixed_values(spec, labeled):
  """A line for each split whose masks seem to be drawn in other values."""
  if spec.num_classes != 2 or spec.ignore_index != 255:
    return []
  return [f"{split}: masks hold 0 and 255 alone, other splits' also 1: if 255 "
          f"is {spec.class_names[1]!r} there, say so in classes.json: "
          '"values": {"0": 0, "1": 1, "255": 1}'
          for split, s in labeled.items() if s.pixels[255] and not s.pixels[1]]


def _percent(share):
  return f"{100 * share:.1f}" if share >= 5e-4 or not share else "<0.1"


def _counted(count, one, several):
  return f"{count} {one if count == 1 else several}"

"""Random-access sources: what a split of a data set looks like to a reader.

A source has `ids` (one string per image), `labeled`, `len()` and `[i]`, which
gives {"image": uint8 [H, W, C], "id": str}, with "label": uint8 [H, W] where
the source is labeled and "volume": str where the image is a slice of one;
such a source has `volumes`, one name per image.
The returned arrays are shared and must not be written to.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import typing
import zlib

from absl import logging
import numpy as np

from semseg_jax.data import errors

Example = Mapping[str, typing.Any]

# Rendered images held in memory per source; later ones are rendered anew.
_MEMO_BYTES = 256 << 20


class Source(typing.Protocol):
  """See the module docstring."""
  ids: tuple[str, ...]
  labeled: bool

  def __len__(self) -> int:
    ...

  def __getitem__(self, index: int) -> Example:
    ...


class InMemory:
  """Labeled images that are arrays already."""
  labeled = True

  def __init__(self, images: np.ndarray, labels: np.ndarray):
    """images uint8 [n, H, W, C]; labels uint8 [n, H, W]."""
    self.ids = tuple(f"{i:06d}" for i in range(len(images)))
    self._images, self._labels = images, labels

  def __len__(self) -> int:
    return len(self.ids)

  def __getitem__(self, index: int) -> Example:
    index = _checked(index, len(self))
    return {"image": self._images[index], "label": self._labels[index],
            "id": self.ids[index]}


class Facts(typing.NamedTuple):
  """What is known of a stored image without reading it.

  size: (width, height), upright. pixels: {label: count}, {} without a mask.
  turned: it has an EXIF orientation. digest: of its bytes.
  """
  size: tuple[int, int]
  pixels: Mapping[int, int]
  turned: bool = False
  digest: str = ""

  @classmethod
  def of(cls, shape, label, **more) -> "Facts":
    """Of an image's shape (H, W, C) and its label [H, W] or None."""
    values, counts = ((), ()) if label is None else np.unique(
        label, return_counts=True)
    return cls((int(shape[1]), int(shape[0])), {
        int(v): int(n) for v, n in zip(values, counts, strict=True)}, **more)


class Rendered:
  """Images computed from their index: nothing is stored on disk."""
  checked = True  # `datasets.verify` need not render all of them

  def __init__(self, render: Callable[[int], tuple[np.ndarray, np.ndarray]],
               ids: Sequence[str], *, labeled: bool):
    """`render(i)` gives (image uint8 [H, W, C], label uint8 [H, W])."""
    self.ids = tuple(ids)
    self.labeled = labeled
    self._render = render
    self._memo: dict[int, Example] = {}
    self._memo_bytes = 0

  def __len__(self) -> int:
    return len(self.ids)

  def __getitem__(self, index: int) -> Example:
    index = _checked(index, len(self))
    if index in self._memo:
      return self._memo[index]
    image, label = self._render(index)
    example = {"image": image, "id": self.ids[index]}
    if self.labeled:
      example["label"] = label
    size = sum(a.nbytes for a in example.values() if isinstance(a, np.ndarray))
    if self._memo_bytes + size <= _MEMO_BYTES:
      self._memo[index] = example
      self._memo_bytes += size
    return example


class Subset:
  """Some images of another source, in the given order, labeled or not."""

  def __init__(self, parent: Source, indices: Sequence[int], *,
               labeled: bool = True):
    self._parent = parent
    self._indices = tuple(int(i) for i in indices)
    self.ids = tuple(parent.ids[i] for i in self._indices)
    self.labeled = labeled and parent.labeled
    volumes = getattr(parent, "volumes", None)
    self.volumes = volumes and tuple(volumes[i] for i in self._indices)

  def __len__(self) -> int:
    return len(self._indices)

  def __getitem__(self, index: int) -> Example:
    example = self._parent[self._indices[_checked(index, len(self))]]
    if self.labeled or "label" not in example:
      return example
    return {k: v for k, v in example.items() if k != "label"}


def broken(source: Source) -> dict[str, str]:
  """{id: what is wrong} of images known to be unreadable."""
  if isinstance(source, Subset):
    faults = broken(source._parent)
    return {i: faults[i] for i in source.ids if i in faults} if faults else {}
  return getattr(source, "broken", {})


def facts(source: Source) -> dict[str, Facts] | None:
  """{id: facts} of a stored source's sound images; None: of another source."""
  parent = getattr(source, "_parent", None)
  if parent is None:
    return source.facts() if hasattr(source, "facts") else None
  known = facts(parent)
  return known and {i: known[i] for i in source.ids if i in known}


def content(example: Example) -> str:
  """Digits that change with an image or its labels."""
  return "".join(f"{zlib.crc32(example[k].tobytes()):08x}"
                 for k in ("image", "label") if k in example)


def contents(source: Source, indices) -> list[str] | None:
  """The `content` of some images; None: of a source that is not stored, whose
  images do not change."""
  if facts(source) is None:
    return None
  return [content(source[int(i)]) for i in indices]


def origins(source: Source) -> dict[tuple, str]:
  """{what stands for the file: id}, by which sources can share images.

  Empty for rendered sources: their splits are different images.
  """
  parent = getattr(source, "_parent", None)
  if parent is None:
    return source.origins() if hasattr(source, "origins") else {}
  names = set(source.ids)
  return {k: i for k, i in origins(parent).items() if i in names}


def same_images(source: Source, other: Source) -> dict[str, str]:
  """{id: id in `other`} of the images of `source` that both hold.

  By their origins, as different files may have one name; of rendered sources by
  ids.
  """
  ours, theirs = origins(source), origins(other)
  if not ours and not theirs:
    names = set(other.ids)
    return {i: i for i in source.ids if i in names}
  return {i: theirs[k] for k, i in ours.items() if k in theirs}


def sound(source: Source) -> Source:
  """`source` without the images known to be unreadable, each named."""
  bad = broken(source)
  for message in bad.values():
    logging.warning("left out, one of %d broken images: %s", len(bad),
                    message)
  if not bad:
    return source
  return Subset(source, [i for i, x in enumerate(source.ids) if x not in bad])


def by_ids(parent: Source, ids: Sequence[str], *, labeled: bool = True):
  """The images of `parent` with these ids; unknown ids raise KeyError."""
  position = {name: i for i, name in enumerate(parent.ids)}
  if len(position) < len(parent.ids):
    twice = next(x for i, x in enumerate(parent.ids) if position[x] != i)
    raise errors.DataError(f"two images have the id {twice!r}")
  return Subset(parent, [position[name] for name in ids], labeled=labeled)


def _checked(index, length: int) -> int:
  index = int(index)
  if not -length <= index < length:
    raise IndexError(f"image {index} of {length}")
  return index % length

"""Downloads in their authors' layout: finding them and pairing their files."""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import pathlib
import re

from absl import logging

from semseg_jax.data import addresses
from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import store
from semseg_jax.data.formats import image_index


@dataclasses.dataclass(frozen=True)
class Archive:
  """A data set as its authors hand it out.

  name: of the data set. page: where to get it, in words. needs: glob patterns
  of files and folders of which every complete download has at least one.
  """
  name: str
  page: str
  needs: tuple[str, ...]

  @property
  def source(self) -> str:
    """Where to get it, with addresses."""
    where = " and ".join(addresses.ADDRESSES.get(self.name, ()))
    return f"{self.page}: {where}" if where else self.page

  def locate(self, data_dir: str | None) -> pathlib.Path:
    """The download's folder: `data_dir` or `data_dir`/`name`.

    Raises errors.DataError: lists what is missing and where to get it; its kind
    AbsentError where nothing of the download is there.
    """
    root = id_lists.root(
        self.name, data_dir, f"the folder of the download ({self.source})",
        f" with the download of {self.name!r} ({self.source})")
    missing = {}
    for folder in (root / self.name, root):
      missing[folder] = [
          p for p in self.needs
          if next(image_index.visible(folder, p), None) is None]
      if not missing[folder]:
        return folder
    best = min(missing, key=lambda folder: len(missing[folder]))
    kind = errors.DataError
    if len(missing[best]) == len(self.needs):
      best, kind = root, errors.AbsentError
    raise kind(
        f"data.data_dir: {best} is not the data set {self.name!r} or not all "
        f"of it: missing {', '.join(missing[best])}; get it from {self.source}")

  def items(self, root: pathlib.Path, images: str, masks: Sequence[str] = (), *,
            optional: bool = False, expect: int = 0) -> list[store.Item]:
    """An item for every image of a pattern, in the order of their ids.

    Args:
      root: of the download.
      images: glob pattern whose last part holds `{id}` ("CXR_png/{id}.png").
      masks: patterns of all masks of an image, with `{id}`, `{dir}`, the
        image's folder below root, and `{folder}`, that folder's own name.
      optional: images may be without masks; else each has all of them.
      expect: how many images the download has; fewer are warned about.

    Raises errors.DataError: no images, masks missing, or two images of one id.
    """
    head, tail = re.escape(pathlib.PurePosixPath(images).name).split(
        re.escape("{id}"))
    named = re.compile(head.replace(r"\*", ".*") + "(.+)" + tail)
    items, without = {}, []
    for path in image_index.visible(root, images.replace("{id}", "*")):
      match = named.fullmatch(path.name)
      if not match:
        continue
      key, below = match[1], path.parent.relative_to(root).as_posix()
      if key in items:
        raise errors.DataError(
            f"{path}: a second image {key!r}, beside {items[key].image}")
      files = [
          _one(root, m.replace("{id}", key).replace("{dir}", below).replace(
              "{folder}", path.parent.name))
          for m in masks]
      if None in files:
        if not optional:
          without.append(key)
        files = []
      items[key] = store.Item(key, str(path), tuple(files))
    self.complete(root, without, " and ".join(masks), len(items))
    if not items:
      raise errors.DataError(
          f"{root}: no image {images}; get data set {self.name!r} from "
          f"{self.page}")
    if len(items) < expect:
      logging.warning("%s: %d of %d images %s", root, len(items), expect,
                      images)
    return [items[key] for key in sorted(items)]

  def complete(self, where, missing: Sequence[str], what: str, of: int) -> None:
    """Raises where files are missing, naming the first of them."""
    if missing:
      raise errors.DataError(
          f"{where}: {len(missing)} of {of} images lack {what}: "
          f"{errors.few(sorted(missing), 5)}; get data set {self.name!r} from "
          f"{self.page}")

  def listed(self, items: Sequence[store.Item],
             splits: Mapping[str, Sequence[str]]
             ) -> dict[str, list[store.Item]]:
    """The items of each split's ids; an id without an item is an error."""
    by_key = {item.key: item for item in items}
    for split, ids in splits.items():
      self.complete(
          self.name, [i for i in ids if i not in by_key],
          f"a file (split {split!r} lists them)", len(ids))
    return {split: [by_key[i] for i in ids] for split, ids in splits.items()}


def _one(root, pattern):
  """The file of a path or pattern below root, or None."""
  if any(c in pattern for c in "*?"):
    path = next(image_index.visible(root, pattern), None)
  else:
    path = root / pattern
  return str(path) if path and path.is_file() else None


def stored_side(size: int | None) -> int:
  """Side of the stored squares where images are too large to be stored.

  256, the side most papers use, or a larger one that is asked for; 512 where
  none is.
  """
  return max(size, 256) if size else 512

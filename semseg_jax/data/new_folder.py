"""Lists and class names for a folder that has neither.

What `prepare --split` writes beside images and annotations: splits/*.txt and
classes.json. Files that are there are kept.
"""

from collections.abc import Sequence
import json
import pathlib

import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import new_classes
from semseg_jax.data import text_files
from semseg_jax.data.formats import classes_file
from semseg_jax.data.formats import contents
from semseg_jax.data.formats import image_index
from semseg_jax.data.formats import layout
from semseg_jax.data.formats import voc

_PARTS = ("train_labeled", "val", "test")


def write(root: pathlib.Path, *, split: Sequence[float] = (), seed: int = 0,
          classes: Sequence[str] = ()) -> list[str]:
  """Writes lists and classes.json into `root`.

  Args:
    root: a folder of images with masks, with annotations of a known tool, or
      of images alone.
    split: fractions of the annotated images for training, validation and test;
      empty: the lists that are there are kept, or written as the data divides
      the images. Images without annotation become the
      list `unlabeled`, together with those for training.
    seed: of the division.
    classes: names in the order of their indices; empty: as the data names
      them. "background" is put in front where it is not among them.

  Returns what was done, a line each.

  Raises errors.DataError: lists or classes are there and differ, nothing can be
  read, or `root` cannot be written to.
  """
  index = image_index.ImageIndex(root)
  if not index.ids:
    raise errors.DataError(
        f"{index.folder}: holds no image ({', '.join(image_index.ENDINGS)})")
  masks = layout.mask_folder(root)
  drawn = None if masks else layout.find(root)
  if not masks and not drawn:
    layout.refuse_parts(root)
  layout.refuse_masks_among(root, index)
  notes = list(drawn.notes) if drawn else []
  kept = not split and has_lists(root)
  if masks:
    files = layout.masks_by_id(root, masks)
    by_id = {x: y for x in index.ids if (y := layout.masks_of(files, x))}
    stray = {x for y in files.values() for x in y}.difference(*by_id.values())
    if kept:
      by_id = files  # lists may name masks of any names
    elif stray:
      raise errors.DataError(
          f"{min(stray)}: a mask without an image of that name in "
          f"{index.folder} ({len(stray)} such masks)")
    labeled = sorted(by_id)
    notes += [f"masks are read from {masks}, annotations of {kind} are not"
              for kind in layout.kinds(root)]
  else:
    by_id = {}
    labeled = sorted(drawn.items) if drawn else []
  if not labeled and (split or classes):
    raise errors.DataError(_nothing_annotated(
        root, index, "--split" if split else "--classes"))
  for name in index.ids:
    index.path(name)  # names an id of two files
  content = None
  if not labeled:
    pass  # images alone: there is nothing to name
  elif (root / "classes.json").exists():
    _check_names(root / "classes.json", classes)
    notes.append(f"{root / 'classes.json'} is kept")
  else:
    content = new_classes.of_folder(
        root, index, masks, by_id, drawn, classes, notes)
  if kept:
    _save(root, {}, content, notes)
    return notes
  lists = _lists(root, labeled, drawn, split, seed, notes)
  rest = sorted(set(index.ids) - set(labeled))
  if rest:
    # Without their labels the training images count, too.
    lists["unlabeled"] = sorted({*rest, *lists.get("train_labeled", ())})
  if unread := layout.unread(root, index):
    notes.append(
        "not read, as neither images nor annotations of LabelMe, COCO, CVAT "
        f"(for images) or VOC: {errors.few(unread)}")
  _save(root, lists, content, notes)
  return notes


def has_lists(root: pathlib.Path) -> bool:
  """Whether splits/ holds a list of images with masks."""
  return any(p.suffix.lower() == ".txt" and not p.name.lower().startswith(
      (".", "unlabeled")) for p in root.glob("splits/*"))


def split_of(name: str) -> str:
  """The split that a list of this name is: `val` of Valid.txt."""
  known = name.lower()
  if known in ("train", *_PARTS) or known.startswith(("unlabeled", "ood_")):
    return known
  return contents.SPLITS.get(known, name)


def divided(ids: Sequence[str], fractions: Sequence[float], seed: int
            ) -> dict[str, list[str]]:
  """{train_labeled, val, test: ids}, at random but for the seed.

  Raises:
    errors.DataError: fractions that are no division, or a part without images.
  """
  fractions = [float(x) for x in fractions]
  if len(fractions) != 3 or min(fractions) < 0 or not (
      abs(sum(fractions) - 1) < 1e-6):
    raise errors.DataError(
        f"--split={','.join(f'{x:g}' for x in fractions)}: give three "
        "fractions with sum 1, for training, validation and test")
  order = [sorted(ids)[i] for i in
           np.random.default_rng(seed).permutation(len(ids))]
  # At least one image where a fraction is not 0; training takes the rest.
  counts = [max(round(x * len(ids)), 1) if x else 0 for x in fractions]
  counts[0] = len(ids) - counts[1] - counts[2] if fractions[0] else 0
  if min(c for c, x in zip(counts, fractions, strict=True) if x) < 1:
    raise errors.DataError(
        f"--split: {len(ids)} annotated images are too few for "
        f"{','.join(f'{x:g}' for x in fractions)}")
  ends = np.cumsum(counts)
  parts = (order[e - c:e] for e, c in zip(ends, counts, strict=True))
  return {name: sorted(part) for name, part in
          zip(_PARTS, parts, strict=True) if part}


def volumes(root: pathlib.Path) -> dict[str, str] | None:
  """{id: volume} of volumes.json, where images are slices of volumes.

  Keys may have an image's ending, as in lists.

  Raises errors.DataError: the file is something else.
  """
  path = root / "volumes.json"
  if not path.exists():
    return None
  known = text_files.read_json(path)
  if not isinstance(known, dict) or not all(
      isinstance(x, str) for x in known.values()):
    raise errors.DataError(
        f'{path}: give an object of texts, {{"<id>": "<volume>", ...}}')
  stems = {k.rpartition(".")[0]: v for k, v in known.items()
           if k.lower().endswith(image_index.ENDINGS)}
  return stems | known


def volumes_of(ids: Sequence[str], known: dict[str, str], root: pathlib.Path
               ) -> list[str]:
  """The volume of each image.

  Raises errors.DataError: one has none.
  """
  missing = [x for x in ids if x not in known]
  if missing:
    raise errors.DataError(
        f"{root / 'volumes.json'}: image {missing[0]!r} has no volume")
  return [known[x] for x in ids]


def _check_names(path, names):
  """Refuses --classes beside a classes.json that says something else."""
  if not names:
    return
  content = classes_file.checked(text_files.read_json(path), path)
  present = list(classes_file.names(content, path))
  if present not in (list(names), ["background", *names]):
    raise errors.DataError(
        f"--classes: {path} is there and names {', '.join(present)}; change "
        "the names in the file, or remove it to have it written anew")


def _nothing_annotated(root, index, flag):
  hint = layout.could_be_masks(root, index)
  unread = layout.unread(root, index)
  return "; ".join(filter(None, (
      f"{flag}: nothing is annotated in {root}: no folder masks (or labels, "
      "ground_truth, ...) with PNG files of the images' names, no annotations "
      "of LabelMe, COCO, CVAT (for images) or VOC", hint,
      unread and f"not read: {errors.few(unread, 3)}",
      f"images alone need no lists: leave {flag} out")))


def _lists(root, labeled, drawn, split, seed, notes):
  if not labeled:
    notes.append("no masks and no annotations: all images are unlabeled")
    return {}
  given = drawn.splits if drawn else {
      k: id_lists.read(v)
      for k, v in voc.lists(root).items()}
  given = given or _by_folder(labeled)
  if split:
    known = volumes(root)
    if not known:
      return divided(labeled, split, seed)
    # Slices of one volume are alike: none of those trained on is scored.
    of = dict(zip(labeled, volumes_of(labeled, known, root), strict=True))
    parts = divided(sorted(set(of.values())), split, seed)
    notes.append("divided by the volumes of volumes.json: " + ", ".join(
        f"{k} {len(v)}" for k, v in parts.items()))
    return {k: [x for x in labeled if of[x] in v] for k, v in parts.items()}
  if given:
    notes.append("splits as the data has them: " + ", ".join(
        f"{k} {len(v)}" for k, v in given.items()))
    return {k: list(v) for k, v in given.items()}
  raise errors.DataError(
      f"{root / 'splits'}: no lists of images; write them with "
      "--split=0.8,0.1,0.1 --seed=0 (fractions for training, validation and "
      "test)")


def _by_folder(ids):
  """{list: ids} where each id lies in a folder train, val or test."""
  lists = {}
  for name in ids:
    folder = name.partition("/")[0].lower().removesuffix("_images")
    part = contents.SPLITS.get(folder)
    lists.setdefault(part, []).append(name)
  return {k: lists[k] for k in _PARTS if k in lists} if (
      None not in lists and "train_labeled" in lists and len(lists) > 1) else {}


def _save(root, lists, content, notes):
  folder = root / "splits"
  missing = dict(lists)
  for path in sorted(folder.iterdir()) if folder.is_dir() else ():
    split = split_of(path.stem)
    part = "train_labeled" if split == "train" else split
    if path.suffix.lower() != ".txt" or part not in lists:
      continue
    if text_files.read_text(path).splitlines() != lists[part]:
      raise errors.DataError(
          f"{path}: is there and holds another list; leave --split out to keep "
          f"it, or remove {folder} to divide the images anew")
    missing.pop(part, None)  # another name of it would be a second list
  try:
    if lists:
      folder.mkdir(exist_ok=True)
    for name, ids in missing.items():
      (folder / f"{name}.txt").write_text("".join(f"{x}\n" for x in ids))
    if content:
      path = root / "classes.json"
      path.write_text(json.dumps(content, indent=1) + "\n")
      notes.append(f"wrote {path}")
  except OSError as e:
    raise errors.DataError(
        f"--data_dir={root}: lists cannot be written there ({e.strerror}); "
        "make the folder writable or copy it") from e
  if missing:
    notes.append("wrote " + ", ".join(f"splits/{x}.txt" for x in missing))

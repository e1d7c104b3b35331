"""Class names, colors and values for classes.json, as a folder shows them."""

import json
from typing import NamedTuple

import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import mask_files
from semseg_jax.data import pascal
from semseg_jax.data import text_files
from semseg_jax.data.formats import image_index
from semseg_jax.data.formats import voc

_NAMES = ("labelmap.txt", "class_names.txt", "classes.txt", "labels.txt")
_GRAY = ("1", "L", "LA")
# A folder of masks with more values than this holds no class indices.
_MOST_CLASSES = 200


def of_folder(root, index, masks, files, drawn, names, notes) -> dict:
  """Content of classes.json.

  Args:
    root: the folder; index: its images.
    masks: its folder of masks or None; files: {id: paths} of these.
    drawn: its annotations or None.
    names: that the user gives; may be empty.
    notes: what is to be said is added.
  """
  colors, more = {}, {}
  named = _named(root)
  if drawn:
    names = list(names) or _with_background(drawn.labels)
    colors = dict(drawn.colors)
    more["annotations"] = drawn.name
    alike = {}
    for label in drawn.labels:
      alike.setdefault(label.strip().lower(), []).append(label)
    notes += [f"{', '.join(map(repr, v))} are classes of their own; rename "
              "them in the annotations if they are one"
              for v in alike.values() if len(v) > 1]
  else:
    seen = _drawn(files)
    values = seen.values
    if not names and isinstance(named, dict):
      names, colors = list(named), named
    elif not names and named:
      names = list(named)
    if seen.colors is not None:
      names, colors = _of_colors(seen.colors, names, colors, notes)
      more["masks"] = "colours"
    elif (values == [0, 255] or seen.two_valued) and len(names or "ab") == 2:
      names = list(names) or ["background", "object"]
      more["values"] = {"0": 0, "255": 1}
      held = "0 and 1, or 0 and 255" if seen.two_valued else "0 and 255"
      notes.append(f"masks hold {held}: read as classes 0 and 1 ('values' in "
                   "classes.json)")
    else:
      indices = [v for v in values if v != 255]
      most = max(indices, default=0)
      if values[0] < 0 or most >= max(
          min(2 * len(indices), _MOST_CLASSES), len(names)):
        raise errors.DataError(_spread(root, masks, values, names))
      if most == len(names) > 0:
        names = _with_background(names)
      names = list(names) or ["background", *(
          f"class{i}" for i in range(1, most + 1))]
      colors = {n: seen.painted[i] for i, n in enumerate(names)
                if i in seen.painted} | colors
  if names[0].lower() != "background" and drawn:
    names = _with_background(names)
  default = pascal.palette(max(len(names), 1))
  depth = channels(index)
  if depth == 1 and (few := in_color(index)):
    depth = 3
    notes.append(
        f"{len(few)} of {len(index.ids)} images are in colour "
        f"({errors.few(few, 3)}), so all are read as RGB; as gray with "
        '"channels": 1 in classes.json')
  content = {
      "classes": names,
      "colours": [[int(x) for x in colors.get(n, default[i])]
                  for i, n in enumerate(names)],
      "ignore_index": 255, "channels": depth}
  return content | more


def _spread(root, masks, values, names):
  """What to do with masks whose values are not those of indices."""
  held = f"{masks}: masks hold the values {errors.few(values)}"
  if len(values) > max(mask_files.MOST_VALUES, len(names)):
    return (f"{held} ({len(values)} of them): smoothed or instance masks; save "
            "class indices, or name all classes with --classes")
  names = list(names) if len(names) == len(values) else [
      "background", *(f"class{i}" for i in range(1, len(values)))]
  example = json.dumps({
      "classes": names, "values": {str(v): i for i, v in enumerate(values)}})
  return (f"{held}, too far apart for indices of classes; say in "
          f"{root / 'classes.json'} what they stand for, such as {example}")


def _with_background(names):
  return ["background", *(n for n in names if n.lower() != "background")]


def _named(root):
  """Class names, or {name: color}, of a text file beside the data."""
  for name in _NAMES:
    path = root / name
    if not path.is_file():
      continue
    if name == "labelmap.txt":
      return voc.label_map(path)
    lines = [x.strip() for x in text_files.read_text(path).splitlines()]
    return [x for x in lines if x and x != "__ignore__"]
  return None


class _Drawn(NamedTuple):
  """What masks hold, all together."""
  values: list[int]  # of masks of one channel, sorted
  colors: list[tuple[int, int, int]] | None  # None: no mask is in color
  painted: dict[int, tuple[int, int, int]]  # colors of palettes' indices
  two_valued: bool  # some hold 0 and 1, all others 0 and 255


def _drawn(files):
  values, colors, painted, seen = set(), set(), {}, set()
  plain, clash = [], ""
  for paths in files.values():
    path = image_index.only(paths, paths[0])
    samples, palette = mask_files.read_samples(
        image_files.read_bytes(path), path)
    if samples.ndim == 3 and not (samples == samples[..., :1]).all():
      colors |= _colors(samples, path, colors)
      continue
    plain.append(path)
    plane = samples[..., 0] if samples.ndim == 3 else samples
    used = np.unique(plane).tolist()
    values.update(used)
    seen.add(frozenset(used) - {0})
    if palette is None or all((palette[i] == i).all() for i in used):
      continue  # a ramp of grays says nothing of classes
    for i in used:
      color = tuple(palette[i].tolist())
      first, where = painted.setdefault(i, (color, path))
      if color != first and not clash:
        clash = (f"{path}: index {i} has the colour {color} in this file's "
                 f"palette, but {first} in that of {where}. Say in "
                 'classes.json what masks hold: "masks": "colours", with the '
                 'classes\' colours, or "masks": "indices"')
  if colors:  # then gray is a color, too
    for path in plain:
      colors |= _colors(mask_files.read_shown(
          image_files.read_bytes(path), path), path, colors)
  elif clash:
    raise errors.DataError(clash)
  return _Drawn(
      sorted(values), sorted(colors) if colors else None,
      {i: color for i, (color, _) in painted.items()},
      seen - {frozenset()} == {frozenset({1}), frozenset({255})})


def _colors(samples, path, known):
  """The colors of a mask, no more than classes have with those known."""
  colors = set(map(tuple, np.unique(samples.reshape(-1, 3), axis=0).tolist()))
  if len(colors | known) > _MOST_CLASSES:
    raise errors.DataError(
        f"{path}: masks of more than {_MOST_CLASSES} colours; they were "
        "smoothed, or these are no masks")
  return colors


def _of_colors(seen, names, colors, notes):
  """Names and their colors, where masks are in color."""
  seen = [c for c in seen if c != pascal.BORDER]
  if colors:
    return list(names), colors
  known = [tuple(c) for c in pascal.palette().tolist()]
  if names and set(seen) <= set(known[:len(names)]):
    return list(names), dict(zip(names, known, strict=False))
  ordered = sorted(seen, key=lambda c: (c != (0, 0, 0), c))
  if names and ordered[0] == (0, 0, 0) and len(ordered) == len(names) + 1:
    names = _with_background(names)
  if names and len(names) != len(ordered):
    raise errors.DataError(
        f"--classes: {len(names)} names, but the masks have {len(ordered)} "
        f"colours: {', '.join(map(str, ordered[:8]))}")
  names = list(names) or [
      "background" if c == (0, 0, 0) else f"colour_{bytes(c).hex()}"
      for c in ordered]
  notes.append("masks are in colour: " + ", ".join(
      f"{n} {c}" for n, c in zip(names, ordered, strict=True)))
  return names, dict(zip(names, ordered, strict=True))


def channels(index) -> int:
  """1 where a look at some images shows gray ones alone, else 3."""
  for name in index.ids[::max(1, len(index.ids) // 20)]:
    path = index.path(name)
    image = image_files.load(image_files.read_bytes(path), path)
    if image.mode not in _GRAY:
      return 3
  return 1


def in_color(index) -> list[str]:
  """Ids of the images that are not gray; the headers of all are read."""
  return [x for x in index.ids
          if image_files.mode(index.files(x)[0]) not in (*_GRAY, "")]

"""Mask files of any depth and mode as class indices.

What is read are the samples as they were drawn: a gray value of 2 or 4 bits is
not stretched to 8, a palette is not looked up. Color masks are read by the
classes' colors, which they must hold exactly.
"""

from collections.abc import Mapping
import dataclasses
import json

import numpy as np

from semseg_jax.data import errors
from semseg_jax.data import image_files

READINGS = ("auto", "indices", "colours")
# Of a folder or file; more that nobody has named are no classes.
MOST_VALUES = 20
_ONE_CHANNEL = ("1", "L", "P", *image_files.DEEP_MODES)


@dataclasses.dataclass(frozen=True)
class Legend:
  """What drawn values and colors stand for."""
  class_names: tuple[str, ...]  # C names
  # C (r, g, b) of 0 to 255; class c is painted in colors[c].
  colors: tuple[tuple[int, int, int], ...]
  ignore_index: int = 255  # label of pixels that do not count
  # {drawn value: class index or `ignore_index`} of one-channel masks; any other
  # value is refused. None: values are indices.
  values: Mapping[int, int] | None = None
  # "indices" or "colours" says what masks hold, also gray ones; "auto" reads
  # one channel and palettes as indices, color as colors.
  masks: str = "auto"
  # Colors of pixels that do not count.
  ignore_colors: tuple[tuple[int, int, int], ...] = ()


def read_samples(content: bytes, where: str
                 ) -> tuple[np.ndarray, np.ndarray | None]:
  """What a mask file holds: integers [H, W], or colors uint8 [H, W, 3].

  With it the palette uint8 [256, 3], or None.
  """
  image = image_files.load(content, where)
  _refuse_lossy(image, content, where)
  _refuse_deep(image, content, where)
  if (count := image_files.frames(image)) > 1:
    raise errors.DataError(
        f"{where}: holds {count} images; a mask file holds one")
  stored = image  # what the file says stands there, not on a turned copy
  image = image_files.upright(image)
  if image.mode in ("LA", "RGBA", "PA", "La", "RGBa"):
    if np.asarray(image.getchannel(len(image.getbands()) - 1)).min() < 255:
      raise errors.DataError(
          f"{where}: mask with transparent pixels; save it without an alpha "
          "channel, in the values or colours of the classes")
    image = image_files.converted(
        image, {"LA": "L", "PA": "P"}.get(image.mode, "RGB"), where)
  if image.mode == "RGB":
    return np.asarray(image), None
  if image.mode not in _ONE_CHANNEL:
    raise errors.DataError(
        f"{where}: mask is a {image.mode} image; it must hold class indices in "
        "one channel, or the classes' colours in RGB")
  samples = np.asarray(image)
  if samples.dtype.kind == "f":
    if not (np.isfinite(samples) & (samples == np.rint(samples))).all():
      raise errors.DataError(
          f"{where}: mask of fractions; it must hold whole class indices")
  samples = samples.astype(np.int64)
  if image.mode == "P":
    return samples, _palette(image)
  return _unstretched(samples, stored, content), None


def read_shown(content: bytes, where: str) -> np.ndarray:
  """A mask file as a viewer shows it: colors uint8 [H, W, 3]."""
  return np.asarray(image_files.converted(
      image_files.upright(image_files.load(content, where)), "RGB", where))


def read_indices(content: bytes, where: str) -> np.ndarray:
  """Encoded mask of class indices -> uint8 [H, W], the samples as drawn.

  One channel of 1, 2, 4, 8 or 16 bits, floats that are whole, a palette (its
  indices) or gray stored as color.

  Raises errors.DataError: it is no mask, is lossy, or holds more than 8 bits.
  """
  samples, _ = read_samples(content, where)
  if samples.ndim == 3:
    if not _is_gray(samples):
      raise errors.DataError(
          f"{where}: a colour image, but a mask must hold class indices in one "
          "channel")
    samples = samples[..., 0]
  return _as_bytes(samples, where)


def read(content: bytes, legend: Legend, where: str) -> np.ndarray:
  """Encoded mask -> class indices uint8 [H, W], as `legend` says.

  Raises errors.DataError: it is no mask, is lossy, or holds a value or a color
  of no class; the message names it, and the nearest class of a color. Also
  where gray stored as color may be indices as well as colors.
  """
  samples, palette = read_samples(content, where)
  if legend.masks == "colours" and samples.ndim == 2 and (
      palette is not None or legend.values is None) and (
          0 <= samples.min() and samples.max() < 256):
    samples = read_shown(content, where)
  if samples.ndim == 3:
    if legend.masks != "indices":
      by_color, known = _by_color(samples, legend)
      if known.all():
        _check_distinct(legend, where)
        if legend.masks == "auto" and _is_gray(samples):
          _check_gray(samples[..., 0], by_color, legend, where)
        return by_color
    if legend.masks == "colours":
      raise errors.DataError(_unknown_color(samples, known, legend, where))
    if not _is_gray(samples):
      if legend.masks == "indices":
        raise errors.DataError(
            f"{where}: a colour image, but classes.json says that masks hold "
            "indices")
      raise errors.DataError(_unknown_color(samples, known, legend, where))
    samples = samples[..., 0]
  elif palette is not None and legend.masks == "auto" and not legend.values:
    _check_palette(samples, palette, legend, where)
  return _by_value(samples, legend, where)


def read_colors(content: bytes, colors: np.ndarray, ignore_index: int,
                where: str) -> np.ndarray:
  """Encoded mask -> uint8 [H, W], by color unless it holds indices already.

  For downloads whose masks have further colors, which do not count.

  Args:
    content: of the file.
    colors: uint8 [C, 3]; class c is painted in colors[c], the first of equal
      ones counts.
    ignore_index: for pixels of any other color.
    where: the file, for messages.
  """
  drawn, _ = read_samples(content, where)
  if drawn.ndim == 2:
    return _as_bytes(drawn, where)
  legend = Legend(
      ("",) * len(colors), tuple(map(tuple, colors.tolist())), ignore_index)
  return _by_color(drawn, legend)[0]


def _by_value(samples, legend, where):
  used = np.unique(samples)
  if legend.values is not None:
    mapping = {legend.ignore_index: legend.ignore_index} | dict(legend.values)
  else:
    mapping = {i: i for i in range(len(legend.class_names))}
    mapping[legend.ignore_index] = legend.ignore_index
    wrong = [v for v in used if v not in mapping]
    if wrong:
      raise errors.DataError(
          f"{where}: class index {wrong[0]}, but there are "
          f"{len(legend.class_names)} classes (0 to "
          f"{len(legend.class_names) - 1}, {legend.ignore_index} = ignore); it "
          f"holds the values {errors.few(used)}. {_advice(used, legend)}")
    return samples.astype(np.uint8)
  if used.max() == 1 and 1 not in mapping and 255 in (legend.values or ()):
    # The same masks with one bit: white is 1 there.
    samples, used = 255 * samples, 255 * used
  wrong = [v for v in used if v not in mapping]
  if wrong:
    raise errors.DataError(
        f"{where}: holds the value {wrong[0]}, which 'values' of classes.json "
        f"does not map (it has {errors.few(sorted(mapping))})")
  label = np.empty(samples.shape, np.uint8)
  for value in used:
    label[samples == value] = mapping[value]
  return label


def _advice(used, legend):
  """What classes.json has to say where a mask holds these values."""
  drawn = [int(v) for v in used if v != legend.ignore_index]
  names = list(legend.class_names)
  if len(drawn) > max(MOST_VALUES, 2 * len(names)):
    return "These are smoothed or instance masks: save class indices"
  values = json.dumps({str(v): i for i, v in enumerate(drawn)})
  if len(drawn) <= len(names):
    return ("Where classes are drawn as other values, classes.json maps them: "
            f'"values": {values}')
  indices = 0 <= drawn[0] and drawn[-1] < 2 * len(drawn)
  names += [f"class{i}" for i in range(
      len(names), drawn[-1] + 1 if indices else len(drawn))]
  return ("classes.json names fewer classes: give all of them and leave out "
          f'\'colours\', or one for each, as in "classes": {json.dumps(names)}'
          + ("" if indices else f', "values": {values}'))


def _by_color(pixels, legend):
  """(uint8 [H, W], bool [H, W]: which pixels have a class's color)."""
  packed = _packed(pixels)
  label = np.full(packed.shape, legend.ignore_index, np.uint8)
  known = np.zeros(packed.shape, bool)
  for color in legend.ignore_colors:
    known |= packed == _packed(np.asarray(color))
  # Of classes of one color the first counts.
  for i in reversed(range(len(legend.colors))):
    here = packed == _packed(np.asarray(legend.colors[i]))
    label[here] = i
    known |= here
  return label, known


def _unknown_color(pixels, known, legend, where):
  colors, counts = np.unique(
      pixels[~known].reshape(-1, 3), axis=0, return_counts=True)
  color = colors[counts.argmax()]
  distance = np.square(
      np.asarray(legend.colors, np.int64) - color.astype(np.int64)).sum(1)
  near = int(distance.argmin())
  row, column = np.argwhere((pixels == color).all(2))[0]
  return (
      f"{where}: colour {_text(color)} at row {row}, column {column} is no "
      f"class's ({(~known).mean():.1%} of the pixels have such colours, "
      f"{len(colors)} different ones); the nearest is "
      f"{legend.class_names[near]!r} {_text(legend.colors[near])}. Correct "
      "'colours' in classes.json, or save the mask without smoothing")


def _check_distinct(legend, where):
  """Refuses colors that stand for two classes."""
  for i, color in enumerate(legend.colors):
    first = legend.colors.index(color)
    if first < i:
      raise errors.DataError(
          f"{where}: a mask in colours, but classes.json gives "
          f"{legend.class_names[first]!r} and {legend.class_names[i]!r} the "
          f"same one, {_text(color)}")


def _check_palette(samples, palette, legend, where):
  """Refuses indices that a palette paints in another class's color."""
  colors = [tuple(c) for c in legend.colors]
  for i in np.unique(samples):
    shown = tuple(int(x) for x in palette[i])
    if i >= len(colors) or shown == colors[i] or shown not in colors:
      continue
    raise errors.DataError(
        f"{where}: index {i} is {legend.class_names[i]!r}, but the file's "
        f"palette paints it {_text(shown)}, the colour of "
        f"{legend.class_names[colors.index(shown)]!r} in classes.json. Set "
        '"masks" there to "colours" or to "indices", whichever is right')


def _check_gray(samples, by_color, legend, where):
  """Refuses gray that is of other classes when it is read as indices.

  A file that holds one class alone may not show which of both a set's masks
  are: others of the set would be read otherwise.
  """
  try:
    by_value = _by_value(samples, legend, where)
  except errors.DataError:
    return  # colors alone
  differ = by_value != by_color
  # White that is a class's color is hardly the index 255, ignored: black and
  # white masks are common.
  if not differ.any() or (
      legend.ignore_index not in (legend.values or ())
      and (samples[differ] == legend.ignore_index).any()):
    return
  row, column = np.argwhere(differ)[0]
  names = [
      "ignored" if label == legend.ignore_index
      else repr(legend.class_names[label])
      for label in (by_value[row, column], by_color[row, column])]
  value = samples[row, column]
  raise errors.DataError(
      f"{where}: gray in three channels, which may be indices or colours: "
      f"{value} is {names[0]} as an index, but {_text((value,) * 3)} is "
      f'{names[1]} in classes.json. Set "masks" there to "colours" or to '
      '"indices", whichever is right')


def _unstretched(samples, image, content):
  """Gray values as stored, where Pillow made them fill 8 or 16 bits."""
  most = _largest(image, content)
  full = 65535 if image.mode.startswith("I") else 255
  if image.mode not in ("L", "I") or most in (0, full):
    return samples
  return (samples * most + full // 2) // full


def _largest(image, content):
  """Largest sample the file can hold; 0: its samples come as they are."""
  if image.format == "PNG" and len(content) > 25:
    depth, color = content[24], content[25]
    return (1 << depth) - 1 if color == 0 and depth in (2, 4) else 0
  if image.format == "TIFF":
    bits = image.tag_v2.get(258, (8,))
    bits = bits[0] if isinstance(bits, tuple) else bits
    return (1 << bits) - 1 if image.mode == "L" and bits in (2, 4) else 0
  if image.format == "PPM" and content[:2] in (
      b"P2", b"P3", b"P5", b"P6"):
    header = b" ".join(
        line.partition(b"#")[0] for line in content[:4096].split(b"\n"))
    numbers = header.split()[1:4]
    return int(numbers[2]) if len(numbers) == 3 and numbers[2].isdigit() else 0
  return 0


def _refuse_lossy(image, content, where):
  lossy = image.format in ("JPEG", "MPO") or (
      image.format == "WEBP" and b"VP8 " in content[12:64]) or (
      image.format == "TIFF" and "jpeg" in str(image.info.get("compression")))
  if lossy:
    raise errors.DataError(
        f"{where}: a mask in a lossy format ({image.format}), which changes "
        "class indices at every edge; save masks as PNG")


def _refuse_deep(image, content, where):
  """Refuses several channels of other than 8 bits, which Pillow rescales."""
  most = (1 << image_files.bits(image, content)) - 1
  if image.format == "PPM" and image.mode == "RGB":
    most = _largest(image, content)
  if most != 255:
    raise errors.DataError(
        f"{where}: a mask of several channels with values up to {most}; save "
        "it in one channel, or in colours of 8 bits a channel")


def _palette(image):
  colors = np.asarray(
      image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)[:256]
  return np.concatenate(
      [colors, np.zeros((256 - len(colors), 3), np.uint8)])


def _as_bytes(samples, where):
  if samples.min() < 0 or samples.max() > 255:
    raise errors.DataError(
        f"{where}: mask holds {samples.min()} to {samples.max()}; class "
        "indices are 0 to 255")
  return samples.astype(np.uint8)


def _is_gray(pixels):
  return bool((pixels[..., :1] == pixels[..., 1:]).all())


def _packed(pixels):
  return pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])


def _text(color):
  return f"({', '.join(str(int(x)) for x in color)})"

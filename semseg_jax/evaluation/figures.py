"""Figures drawn with Pillow: image grids, class legends, metric curves."""

from collections.abc import Mapping
from collections.abc import Sequence
import math

from etils import epath
import numpy as np
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

from semseg_jax.training import writers

_INK = (20, 20, 20)
_PAPER = (255, 255, 255)
_MISSING = (238, 238, 238)
_GAP = 4
_RULE = (225, 225, 225)
# Okabe and Ito's palette, told apart also by colour-blind readers.
_COLORS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167),
           (230, 159, 0), (86, 180, 233), (110, 110, 110), (150, 130, 0))
_SCALE = 2  # Curves are drawn at twice the size and reduced: smooth lines.


def grid(
    rows: Sequence[Sequence[np.ndarray | None]],
    *,
    columns: Sequence[str],
    names: Sequence[str],
    tile: int = 128,
) -> np.ndarray:
  """Images in rows and columns with headings and row names.

  Args:
    rows: uint8 [H, W, 1 or 3] or [H, W] images of any size, each fitted into
      a square; None leaves a tile empty.
    columns: heading of each column.
    names: name of each row, may hold line breaks.
    tile: side of the squares in pixels.

  Returns:
    uint8 [height, width, 3].
  """
  if len(names) != len(rows) or any(len(r) != len(columns) for r in rows):
    raise ValueError(
        f"{len(names)} names and {len(columns)} columns for rows of "
        f"{[len(r) for r in rows]} images")
  text = font(max(11, tile // 10))
  left = max([text_size(name, text)[0] for name in names] or [0]) + 2 * _GAP
  headings = [_fitted_text(c, text, tile) for c in columns]
  top = max(text_size(h, text)[1] for h in headings) + 2 * _GAP
  width = left + len(columns) * (tile + _GAP)
  height = top + len(rows) * (tile + _GAP)
  canvas = Image.new("RGB", (width, height), _PAPER)
  draw = ImageDraw.Draw(canvas)
  for c, heading in enumerate(headings):
    draw.multiline_text(
        (left + c * (tile + _GAP) + tile / 2, top - _GAP), heading, fill=_INK,
        font=text, anchor="md", align="center")
  for r, row in enumerate(rows):
    y = top + r * (tile + _GAP)
    draw.multiline_text(
        (_GAP, y + tile / 2), names[r], fill=_INK, font=text, anchor="lm")
    for c, image in enumerate(row):
      x = left + c * (tile + _GAP)
      if image is None:
        draw.rectangle((x, y, x + tile - 1, y + tile - 1), _MISSING)
      else:
        fitted = _fitted(image, tile)
        canvas.paste(fitted, (x + (tile - fitted.width) // 2,
                              y + (tile - fitted.height) // 2))
  return np.asarray(canvas)


def legend(
    class_names: Sequence[str], colors, *, width: int, size: int = 14
) -> np.ndarray:
  """Swatches with class names, wrapped to `width`; uint8 [height, width, 3]."""
  text = font(size)
  line = size + 3 * _GAP
  positions, x, y = [], _GAP, _GAP
  for name in class_names:
    needed = size + 2 * _GAP + text_size(name, text)[0] + 2 * size
    if x > _GAP and x + needed > width:
      x, y = _GAP, y + line
    positions.append((x, y))
    x += needed
  canvas = Image.new("RGB", (width, y + line), _PAPER)
  draw = ImageDraw.Draw(canvas)
  for name, color, (x, y) in zip(
      class_names, np.asarray(colors).tolist(), positions, strict=True):
    draw.rectangle((x, y, x + size, y + size), tuple(color), outline=_INK)
    draw.text((x + size + 2 * _GAP, y + size / 2), name, fill=_INK, font=text,
              anchor="lm")
  return np.asarray(canvas)


def stack(images: Sequence[np.ndarray]) -> np.ndarray:
  """RGB images below each other, padded with white on the right."""
  width = max(p.shape[1] for p in images)
  return np.concatenate([
      np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)),
             constant_values=255) for p in images])


def plot_metrics(path, out) -> bool:
  """Draws the curves of a metrics.jsonl as a PNG.

  Metrics that share the text before their first "/" share a panel.

  Args:
    path: the metrics.jsonl.
    out: the PNG to write.

  Returns:
    False if there was nothing to draw (and nothing was written).
  """
  series = {}
  for line in writers.read_metrics(path):
    for name, value in line.items():
      number = isinstance(value, int | float) and math.isfinite(value)
      if name not in ("step", "seconds") and number:
        series.setdefault(name, ([], []))
        series[name][0].append(line["step"])
        series[name][1].append(value)
  if not series:
    return False
  groups = {}
  for name, curve in series.items():
    groups.setdefault(name.split("/")[0], {})[name] = curve
  out = epath.Path(out)
  out.parent.mkdir(parents=True, exist_ok=True)
  save(out, stack(
      [panel(curves, title=group) for group, curves in groups.items()]))
  return True


def panel(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    title: str,
    size: tuple[int, int] = (760, 320),
    across: str = "step",
    x_ticks: Mapping[float, str] | None = None,
    spreads: Mapping[str, Sequence[float]] | None = None,
    opened: Mapping[str, str] | None = None,
) -> np.ndarray:
  """One plot: axes with round ticks, a line per series, a legend at the right.

  Args:
    series: name -> (steps, finite values), each of one length >= 1.
    title: above the plot.
    size: (width, least height) in pixels; many series make it higher.
    across: what the horizontal axis shows.
    x_ticks: position -> text, instead of round numbers.
    spreads: name -> half height of the bar through each value; with it every
      value gets a mark.
    opened: names of series with open marks and thin lines -> name of the
      series whose colour each has.

  Returns:
    uint8 [height, width, 3].
  """
  size = (size[0], max(size[1], 16 * len(series) + 80))
  face = font(12 * _SCALE)
  width, height = size[0] * _SCALE, size[1] * _SCALE
  canvas = Image.new("RGB", (width, height), (255, 255, 255))
  draw = ImageDraw.Draw(canvas)
  if x_ticks:
    x_ticks, x_texts = list(x_ticks), list(x_ticks.values())
    if len(x_ticks) == 1:  # An axis needs a length.
      x_ticks, x_texts = [x_ticks[0], x_ticks[0] + 1], [*x_texts, ""]
  else:
    x_ticks = ticks(*_range([s for s, _ in series.values()]))
    x_texts = _labels(x_ticks)
  y_ticks = ticks(*_range([v for _, v in series.values()]))
  y_texts = _labels(y_ticks)
  gap = 8 * _SCALE
  names = max(text_size(n, face)[0] for n in series) + 4 * gap
  left = max(text_size(t, face)[0] for t in y_texts) + 2 * gap
  box = (left, 4 * gap, width - names - gap, height - 5 * gap)
  x_of = _axis(x_ticks, box[0], box[2])
  y_of = _axis(y_ticks, box[3], box[1])
  draw.text((box[0], gap), title, fill=_INK, font=font(14 * _SCALE))
  for value, text in zip(y_ticks, y_texts, strict=True):
    draw.line((box[0], y_of(value), box[2], y_of(value)), _RULE, _SCALE)
    draw.text((box[0] - gap, y_of(value)), text, fill=_INK, font=face,
              anchor="rm")
  for value, text in zip(x_ticks, x_texts, strict=True):
    draw.line((x_of(value), box[3], x_of(value), box[3] + gap / 2), _INK,
              _SCALE)
    draw.text((x_of(value), box[3] + gap), text, fill=_INK, font=face,
              anchor="mt")
  draw.text(((box[0] + box[2]) / 2, height - gap / 2), across, fill=_INK,
            font=face, anchor="ms")
  opened = opened or {}
  colored = list(dict.fromkeys(opened.get(name, name) for name in series))
  for i, (name, (steps, values)) in enumerate(series.items()):
    color = _COLORS[colored.index(opened.get(name, name)) % len(_COLORS)]
    points = [(x_of(s), y_of(v)) for s, v in zip(steps, values, strict=True)]
    if len(points) > 1:
      draw.line(points, color, _SCALE if name in opened else 2 * _SCALE,
                joint="curve")
    if len(points) == 1 or spreads:
      r = 3 * _SCALE
      for x, y in points:
        draw.ellipse((x - r, y - r, x + r, y + r),
                     _PAPER if name in opened else color, color, _SCALE)
    for (x, _), value, spread in zip(
        points, values, (spreads or {}).get(name, ()), strict=False):
      if spread:
        draw.line((x, y_of(value - spread), x, y_of(value + spread)), color,
                  _SCALE)
    y = box[1] + (2 * i + 1) * gap
    draw.line((box[2] + gap, y, box[2] + 3 * gap, y), color, 3 * _SCALE)
    draw.text((box[2] + 3.5 * gap, y), name, fill=_INK, font=face, anchor="lm")
  draw.line((box[0], box[1], box[0], box[3], box[2], box[3]), _INK, _SCALE)
  return np.asarray(canvas.resize(size, Image.Resampling.BOX))


def roc(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]
        ) -> np.ndarray:
  """ROC curves as `panel` draws them: name -> (false, true positive rates)."""
  return panel(curves, title="true positive rate, all classes",
               across="false positive rate")


def bars(
    series: Mapping[str, Sequence[float]],
    *,
    names: Sequence[str],
    title: str,
    level: float | None = None,
    size: tuple[int, int] = (760, 320),
) -> np.ndarray:
  """One plot of bars in groups: a group per name, a bar per series.

  Args:
    series: name of the series -> a value >= 0 for each of `names`; NaN leaves
      the bar out.
    names: under the groups.
    title: above the plot.
    level: a line across at this value.
    size: (width, height) in pixels.

  Returns:
    uint8 [height, width, 3].
  """
  face = font(11 * _SCALE)
  width, height = size[0] * _SCALE, size[1] * _SCALE
  canvas = Image.new("RGB", (width, height), _PAPER)
  draw = ImageDraw.Draw(canvas)
  values = [v for column in series.values() for v in column if v == v]
  y_ticks = ticks(0.0, max([*values, level or 0.0, 1e-6]))
  gap = 8 * _SCALE
  texts = _labels(y_ticks)
  left = max(text_size(t, face)[0] for t in texts) + 2 * gap
  box = (left, 4 * gap, width - gap, height - 5 * gap)
  y_of = _axis(y_ticks, box[3], box[1])
  draw.text((left, gap), title, fill=_INK, font=font(14 * _SCALE))
  for value, text in zip(y_ticks, texts, strict=True):
    draw.line((left, y_of(value), box[2], y_of(value)), _RULE, _SCALE)
    draw.text((left - gap, y_of(value)), text, fill=_INK, font=face,
              anchor="rm")
  group = (box[2] - left) / len(names)
  bar = 0.8 * group / len(series)
  for g, name in enumerate(names):
    for i, column in enumerate(series.values()):
      if column[g] == column[g]:
        x = left + g * group + 0.1 * group + i * bar
        draw.rectangle((x, y_of(column[g]), x + 0.9 * bar, box[3]),
                       _COLORS[i % len(_COLORS)])
    draw.text((left + (g + 0.5) * group, box[3] + gap), name, fill=_INK,
              font=face, anchor="mt")
  if level is not None:
    draw.line((left, y_of(level), box[2], y_of(level)), _INK, _SCALE)
  x = left
  for i, name in enumerate(series):
    y = height - 1.5 * gap
    draw.rectangle((x, y, x + gap, y + gap), _COLORS[i % len(_COLORS)])
    draw.text((x + 1.5 * gap, y + gap / 2), name, fill=_INK, font=face,
              anchor="lm")
    x += text_size(name, face)[0] + 4 * gap
  return np.asarray(canvas.resize(size, Image.Resampling.BOX))


def ticks(low: float, high: float) -> list[float]:
  """About five round numbers, evenly spaced, that enclose [low, high]."""
  size = max(abs(low), abs(high))
  if high - low <= max(1e-9 * size, 1e-30):  # As good as one value.
    pad = 0.1 * size if size > 1e-30 else 1.0
    low, high = low - pad, high + pad
  raw = (high - low) / 5
  power = 10.0 ** math.floor(math.log10(raw))
  step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
  first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
  return [i * step for i in range(first, last + 1)]


def save(path, image: np.ndarray) -> None:
  """Writes uint8 [H, W], [H, W, 1] or [H, W, 3] as PNG, whole or not at all."""
  path = epath.Path(path)
  if image.ndim == 3 and image.shape[2] == 1:
    image = image[..., 0]
  temporary = path.parent / f"{path.name}.tmp"
  with temporary.open("wb") as f:
    Image.fromarray(np.ascontiguousarray(image)).save(f, format="PNG")
  temporary.replace(path)


def read(path) -> np.ndarray:
  """An image that `save` wrote: [H, W] or [H, W, 3] uint8."""
  with epath.Path(path).open("rb") as f:
    return np.asarray(Image.open(f))


def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
  """Pillow's own font: no font file is looked for on the machine."""
  return ImageFont.load_default(size)


def text_size(text: str, face) -> tuple[int, int]:
  """(width, height) in pixels of a text that may hold line breaks."""
  box = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox(
      (0, 0), text, font=face)
  return int(np.ceil(box[2])), int(np.ceil(box[3]))


def _fitted(image, tile):
  """The image inside a square of `tile` pixels, its proportions unchanged."""
  if image.ndim == 3 and image.shape[2] == 1:
    image = image[..., 0]
  image = Image.fromarray(np.ascontiguousarray(image)).convert("RGB")
  scale = tile / max(image.size)
  size = tuple(max(1, round(s * scale)) for s in image.size)
  enlarged = scale > 1
  # Whole pixels stay visible in small images.
  return image.resize(
      size, Image.Resampling.NEAREST if enlarged else Image.Resampling.BOX)


def _fitted_text(text, face, width):
  """The text with line breaks between words so that it is not too wide."""
  lines = [""]
  for word in text.split():
    longer = f"{lines[-1]} {word}".strip()
    if lines[-1] and text_size(longer, face)[0] > width:
      lines.append(word)
    else:
      lines[-1] = longer
  return "\n".join(lines)


def _range(columns):
  values = [v for column in columns for v in column]
  return min(values), max(values)


def _labels(values):
  """Texts of the ticks with just the digits that tell them apart."""
  step = values[1] - values[0]
  largest = max(abs(values[0]), abs(values[-1]))
  if largest >= 1e6 or largest < 1e-3:
    digits = max(0, math.ceil(math.log10(largest / step) - 1e-9))
    return [f"{v:.{digits}e}" if v else "0" for v in values]
  digits = max(0, -math.floor(math.log10(step) + 1e-9))
  # A step such as 0.25 or 2.5 has one digit more.
  digits += not math.isclose(step * 10 ** digits, round(step * 10 ** digits))
  return [f"{v:.{digits}f}" for v in values]


def _axis(values, start, end):
  span = values[-1] - values[0]
  return lambda v: start + (v - values[0]) / span * (end - start)

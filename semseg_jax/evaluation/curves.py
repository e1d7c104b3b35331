"""Curves of a run's metrics over steps as a PNG, drawn with Pillow."""

from collections.abc import Mapping
from collections.abc import Sequence
import math

from etils import epath
import numpy as np
from PIL import Image
from PIL import ImageDraw

from semseg_jax.evaluation import figures
from semseg_jax.training import writers

_INK = (20, 20, 20)
_RULE = (225, 225, 225)
# Okabe and Ito's palette, told apart also by colour-blind readers.
_COLORS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167),
           (230, 159, 0), (86, 180, 233), (110, 110, 110), (150, 130, 0))
_SCALE = 2  # Drawn at twice the size and reduced: smooth lines.


def from_metrics(path, out, *, prefixes: Sequence[str] = ()) -> bool:
  """Draws the curves of a metrics.jsonl, one panel per group of metrics.

  Metrics are grouped by the text before their first "/".

  Args:
    path: the metrics.jsonl.
    out: the PNG to write.
    prefixes: only metrics whose name starts with one of these; empty for all.

  Returns:
    False if there was nothing to draw (and nothing was written).
  """
  series = {}
  for line in writers.read_metrics(path):
    for name, value in line.items():
      wanted = not prefixes or name.startswith(tuple(prefixes))
      number = isinstance(value, int | float) and math.isfinite(value)
      if name not in ("step", "seconds") and wanted and number:
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
  figures.save(out, figures.stack(
      [panel(curves, title=group) for group, curves in groups.items()]))
  return True


def panel(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    title: str,
    size: tuple[int, int] = (760, 320),
) -> np.ndarray:
  """One plot: axes with round ticks, a line per series, a legend at the right.

  Args:
    series: name -> (steps, finite values), each of one length >= 1.
    title: above the plot.
    size: (width, least height) in pixels; many series make it higher.

  Returns:
    uint8 [height, width, 3].
  """
  size = (size[0], max(size[1], 16 * len(series) + 80))
  face = figures.font(12 * _SCALE)
  width, height = size[0] * _SCALE, size[1] * _SCALE
  canvas = Image.new("RGB", (width, height), (255, 255, 255))
  draw = ImageDraw.Draw(canvas)
  x_ticks = ticks(*_range([s for s, _ in series.values()]))
  y_ticks = ticks(*_range([v for _, v in series.values()]))
  x_texts, y_texts = _labels(x_ticks), _labels(y_ticks)
  gap = 8 * _SCALE
  legend = max(figures.text_size(n, face)[0] for n in series) + 4 * gap
  left = max(figures.text_size(t, face)[0] for t in y_texts) + 2 * gap
  box = (left, 4 * gap, width - legend - gap, height - 5 * gap)
  x_of = _axis(x_ticks, box[0], box[2])
  y_of = _axis(y_ticks, box[3], box[1])
  draw.text((box[0], gap), title, fill=_INK, font=figures.font(14 * _SCALE))
  for value, text in zip(y_ticks, y_texts, strict=True):
    draw.line((box[0], y_of(value), box[2], y_of(value)), _RULE, _SCALE)
    draw.text((box[0] - gap, y_of(value)), text, fill=_INK, font=face,
              anchor="rm")
  for value, text in zip(x_ticks, x_texts, strict=True):
    draw.line((x_of(value), box[3], x_of(value), box[3] + gap / 2), _INK,
              _SCALE)
    draw.text((x_of(value), box[3] + gap), text, fill=_INK, font=face,
              anchor="mt")
  draw.text(((box[0] + box[2]) / 2, height - gap / 2), "step", fill=_INK,
            font=face, anchor="ms")
  for i, (name, (steps, values)) in enumerate(series.items()):
    color = _COLORS[i % len(_COLORS)]
    points = [(x_of(s), y_of(v)) for s, v in zip(steps, values, strict=True)]
    if len(points) > 1:
      draw.line(points, color, 2 * _SCALE, joint="curve")
    else:
      x, y = points[0]
      r = 3 * _SCALE
      draw.ellipse((x - r, y - r, x + r, y + r), color)
    y = box[1] + (2 * i + 1) * gap
    draw.line((box[2] + gap, y, box[2] + 3 * gap, y), color, 3 * _SCALE)
    draw.text((box[2] + 3.5 * gap, y), name, fill=_INK, font=face, anchor="lm")
  draw.line((box[0], box[1], box[0], box[3], box[2], box[3]), _INK, _SCALE)
  return np.asarray(canvas.resize(size, Image.Resampling.BOX))


def ticks(low: float, high: float) -> list[float]:
  """About five round numbers, evenly spaced, that enclose [low, high]."""
  if not high > low:
    pad = abs(low) * 0.1 or 1.0
    low, high = low - pad, high + pad
  raw = (high - low) / 5
  power = 10.0 ** math.floor(math.log10(raw))
  step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
  first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
  return [i * step for i in range(first, last + 1)]


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

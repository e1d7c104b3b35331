"""Plots by matplotlib, as arrays: curves, bars, ROC.

matplotlib takes a second to import: only what draws does it.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import cycler
import numpy as np

Curve = tuple[Sequence[float], Sequence[float]]

# Okabe and Ito's palette, told apart also by color-blind readers.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
          "#6e6e6e", "#967e00")
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler.cycler(color=COLORS),
    "legend.frameon": False,
    "legend.fontsize": 9,
}
_DPI = 100
_SIZE = (760, 320)  # pixels


def panel(series: Mapping[str, Curve], *, title: str,
          size: tuple[int, int] = _SIZE, across: str = "step",
          x_ticks: Mapping[float, str] | None = None,
          spreads: Mapping[str, Sequence[float]] | None = None,
          opened: Mapping[str, str] | None = None) -> np.ndarray:
  """One plot: a line for each series, a legend at the right.

  Args:
    series: name -> (steps, finite values), each of one length >= 1.
    title: above the plot.
    size: (width, least height) in pixels; many series make it higher.
    across: what the horizontal axis shows.
    x_ticks: position -> text, instead of round numbers.
    spreads: name -> half height of the bar through each value; with it every
      value gets a mark.
    opened: names of series with open marks and thin lines -> name of the
      series whose color each has.

  Returns uint8 [height, width, 3].
  """
  import matplotlib

  opened = opened or {}
  colored = list(dict.fromkeys(opened.get(name, name) for name in series))
  with matplotlib.rc_context(STYLE):
    figure, axes = _figure((size[0], max(size[1], 18 * len(series) + 80)))
    for name, (x, y) in series.items():
      color = COLORS[colored.index(opened.get(name, name)) % len(COLORS)]
      marked = spreads is not None or len(x) == 1
      spread = (spreads or {}).get(name)
      axes.errorbar(
          x, y, yerr=spread if spread is not None and any(spread) else None,
          label=name, color=color, linewidth=1 if name in opened else 1.8,
          marker="o" if marked else None,
          markerfacecolor="white" if name in opened else color)
    axes.set_title(title, loc="left")
    axes.set_xlabel(across)
    if x_ticks:
      axes.set_xticks(list(x_ticks), list(x_ticks.values()))
    figure.legend(loc="outside right upper")
    return _pixels(figure)


def roc(curves: Mapping[str, Curve]) -> np.ndarray:
  """ROC curves: name -> (false, true positive rates)."""
  return panel(curves, title="true positive rate, all classes",
               across="false positive rate")


def bars(series: Mapping[str, Sequence[float]], *, names: Sequence[str],
         title: str, level: float) -> np.ndarray:
  """One plot of bars in groups: a group per name, a bar per series.

  Args:
    series: name of the series -> a value >= 0 for each of `names`; NaN leaves
      the bar out.
    names: under the groups.
    title: above the plot.
    level: a line across at this value.

  Returns uint8 [height, width, 3].
  """
  import matplotlib

  width = 0.8 / len(series)
  positions = np.arange(len(names))
  with matplotlib.rc_context(STYLE):
    figure, axes = _figure(_SIZE)
    for i, (name, values) in enumerate(series.items()):
      axes.bar(positions + (i - (len(series) - 1) / 2) * width, values,
               0.9 * width, label=name)
    axes.set_title(title, loc="left")
    axes.set_xticks(positions, names)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.grid(visible=False, axis="x")
    axes.axhline(level, color="#333333", linewidth=1)
    figure.legend(loc="outside lower center", ncols=len(series))
    return _pixels(figure)


def _figure(size):
  from matplotlib import figure as mpl

  figure = mpl.Figure(figsize=(size[0] / _DPI, size[1] / _DPI), dpi=_DPI,
                      layout="constrained")
  return figure, figure.add_subplot()


def _pixels(figure) -> np.ndarray:
  """uint8 [H, W, 3]."""
  from matplotlib.backends import backend_agg

  canvas = backend_agg.FigureCanvasAgg(figure)
  canvas.draw()
  return np.array(canvas.buffer_rgba())[..., :3].copy()

"""Charts of a report, by matplotlib, as SVG text."""

from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import io
import math
from typing import Any

import numpy as np

from semseg_jax.evaluation import plots

_STYLE: Any = plots.STYLE | {
    "svg.fonttype": "none",  # text stays text: small files, found by search
    "svg.hashsalt": "semseg_jax",  # the same chart gives the same file
}
_SIZE = (4.6, 3.0)  # inches; as wide as a phone
_LINE_AT_LEAST = 3  # points below which marks are drawn too

Curve = tuple[list[float], list[float]]


def groups(metrics: Sequence[Mapping]) -> dict[str, dict[str, Curve]]:
  """Curves of the lines of a metrics.jsonl, by the text before the first "/".

  Validation comes first. Metrics without "/" are together under "training".
  Values that are not finite, or null, are left out.
  """
  curves: dict[str, dict[str, Curve]] = {}
  for line in metrics:
    for name, value in line.items():
      if (name in ("step", "seconds") or not isinstance(value, int | float)
          or not math.isfinite(value)):
        continue
      group, _, rest = name.rpartition("/") if "/" in name else (
          "training", "", name)
      steps, values = curves.setdefault(group, {}).setdefault(rest, ([], []))
      steps.append(line["step"])
      values.append(value)
  return dict(sorted(curves.items(), key=lambda x: not x[0].startswith("val")))


def lines(curves: Mapping[str, Curve], *, across: str = "step") -> str:
  """A line for each curve; a logarithmic axis where values span decades."""
  with _axes() as (figure, axes):
    for name, (x, y) in curves.items():
      axes.plot(x, y, label=name, linewidth=1.8,
                marker="o" if len(x) < _LINE_AT_LEAST else None)
    values = np.concatenate([y for _, y in curves.values()])
    if values.min() > 0 and values.max() > 300 * values.min():
      axes.set_yscale("log")
    axes.set_xlabel(across)
    axes.margins(x=0.02)
    _legend(figure, len(curves))
    return _svg(figure)


def scatter(points: Mapping[str, Curve], *, across: str, up: str) -> str:
  """A dot for each point, a color for each name."""
  with _axes() as (figure, axes):
    for name, (x, y) in points.items():
      axes.scatter(x, y, s=14, alpha=0.65, linewidths=0, label=name)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    _legend(figure, len(points))
    return _svg(figure)


@contextlib.contextmanager
def _axes():
  """(figure, axes) in the style of the page."""
  import matplotlib  # Slow to import: only by what draws.
  from matplotlib import figure as figures

  with matplotlib.rc_context(_STYLE):
    figure = figures.Figure(figsize=_SIZE, layout="constrained")
    yield figure, figure.add_subplot()


def _legend(figure, count):
  if count > 1:
    figure.legend(loc="outside lower center", ncols=2 if count < 5 else 3,
                  markerscale=2)


def _svg(figure) -> str:
  text = io.StringIO()
  figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
  svg = text.getvalue()
  return svg[svg.index("<svg"):]

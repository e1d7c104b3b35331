"""Label efficiency: score against number of labels, and labels saved.

The comparison of SemanticGAN's poster: with how many times fewer labels a
method reaches the score of the baseline.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import math
from typing import NamedTuple

import numpy as np

from semseg_jax.evaluation import plots


class Point(NamedTuple):
  """A score with a number of labels; spread 0 where it is not known."""
  labels: int
  score: float
  spread: float = 0.0


class Factor(NamedTuple):
  """How many times more labels the baseline needs for the same score.

  bound: "" for a value between two of the baseline's points; ">" where the
  baseline never reaches the score, "<=" where its fewest labels do already:
  then `times` is the ratio at that end of its curve.
  """
  times: float
  bound: str = ""

  def __str__(self):
    number = f"{self.times:.1f}" if self.times < 10 else f"{self.times:.0f}"
    return f"{self.bound} {number}".strip()


def fewer_labels(point: Point, baseline: Sequence[Point]) -> Factor:
  """Labels of the baseline at the score of `point`, over those of `point`.

  The baseline's score is taken as linear in the logarithm of the number of
  labels between its points; where its curve crosses the score several times,
  the first crossing counts.

  Args:
    point: of the method.
    baseline: at least one point of the baseline.
  """
  curve = sorted(baseline)
  if curve[0].score >= point.score:
    return Factor(curve[0].labels / point.labels, "<=")
  for a, b in zip(curve, curve[1:], strict=False):
    if b.score >= point.score:
      part = (point.score - a.score) / (b.score - a.score)
      labels = math.exp(
          math.log(a.labels) + part * math.log(b.labels / a.labels))
      return Factor(labels / point.labels)
  return Factor(curve[-1].labels / point.labels, ">")


def draw(curves: Mapping[str, Sequence[Point]], *, title: str,
         published: Mapping[str, Sequence[Point]] | None = None) -> np.ndarray:
  """One panel: scores over labels on a logarithmic axis; uint8 [H, W, 3].

  Args:
    curves: name -> measured points, drawn with their spread.
    title: above the panel.
    published: name -> published points, drawn with open marks.
  """
  published = published or {}
  counts = {p.labels for part in (curves, published)
            for points in part.values() for p in points}
  return panel(
      curves, published, math.log10, title=title, across="labels",
      x_ticks={math.log10(count): f"{count:,}" for count in sorted(counts)})


def panel(measured, published, place=lambda x: x, **kwargs) -> np.ndarray:
  """`plots.panel` of points by name; place: where a number of labels stands."""
  series = {name: points for name, points in measured.items() if points}
  opened = {f"{name}, published": name
            for name, points in published.items() if points}
  series |= {shown: published[name] for shown, name in opened.items()}
  return plots.panel(
      {name: ([place(p.labels) for p in points], [p.score for p in points])
       for name, points in series.items()},
      spreads={name: [p.spread for p in points]
               for name, points in series.items()},
      opened=opened, **kwargs)

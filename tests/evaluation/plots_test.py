from matplotlib import colors
import numpy as np
import pytest

from semseg_jax.evaluation import plots


def _pixels(image, index):
  """Where an image has exactly the color of curve `index`."""
  color = np.round(255 * np.array(colors.to_rgb(plots.COLORS[index])))
  return (image == color).all(-1)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_curve_goes_where_values_do(sign):
  x = np.arange(50)
  rows, columns = np.nonzero(_pixels(
      plots.panel({"a": (x, sign * x)}, title="t")[:, :600], 0))
  left = rows[columns < np.quantile(columns, 0.1)].mean()
  right = rows[columns > np.quantile(columns, 0.9)].mean()
  assert sign * (left - right) > 100  # rows count downwards


def test_many_series_make_a_panel_higher():
  series = {str(i): ([0, 1], [i, i]) for i in range(20)}
  panel = plots.panel(series, title="t", size=(500, 200))
  assert panel.shape == (440, 500, 3)
  assert panel.dtype == np.uint8


def test_open_marks_have_the_colour_of_their_series():
  panel = plots.panel(
      {"ours": ([0, 1], [0.0, 1.0]), "other": ([0, 1], [1.0, 0.0]),
       "ours, published": ([0, 1], [0.5, 0.6])},
      title="t", spreads={"ours": (0.1, 0.1)},
      opened={"ours, published": "ours"})
  assert _pixels(panel, 0).any()
  assert _pixels(panel, 1).any()
  assert not _pixels(panel, 2).any()


def test_bars_are_as_high_as_their_values():
  image = plots.bars({"a": [1.0, 0.5], "b": [0.25, float("nan")]},
                     names=["x", "y"], title="t", level=0.8)
  assert image.shape == (320, 760, 3)
  body = image[:270]  # without the legend
  columns = _pixels(body, 0).sum(0)
  first, second = columns[:380].max(), columns[380:].max()
  assert second == pytest.approx(first / 2, abs=3)
  assert _pixels(body, 1)[:, :380].sum(0).max() == pytest.approx(
      first / 4, abs=3)
  assert not _pixels(body, 1)[:, 420:].any()

import json

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from semseg_jax.evaluation import figures


def _plain(color, height=8, width=8):
  return np.full((height, width, 3), color, np.uint8)


def _has(image, color):
  return (image == np.array(color)).all(-1).any()


def test_grid_holds_every_image_at_its_position():
  red, blue = (255, 0, 0), (0, 0, 255)
  grid = figures.grid(
      [[_plain(red), None], [np.zeros((4, 9), np.uint8), _plain(blue)]],
      columns=["a", "b"], names=["first", "second"], tile=40)
  assert grid.dtype == np.uint8
  middle = grid.shape[0] - 2 * 44, grid.shape[1] - 2 * 44
  tiles = [[grid[middle[0] + 44 * r:, middle[1] + 44 * c:][:40, :40]
            for c in range(2)] for r in range(2)]
  np.testing.assert_array_equal(tiles[0][0], _plain(red, 40, 40))
  np.testing.assert_array_equal(tiles[1][1], _plain(blue, 40, 40))
  # A wide image keeps its proportions; None leaves a light cell.
  assert (tiles[1][0] == 0).all(-1).sum() == 40 * 18
  assert tiles[0][1].min() > 200


def test_grid_refuses_ragged_rows():
  with pytest.raises(ValueError, match="2 columns"):
    figures.grid([[_plain((0, 0, 0))]], columns=["a", "b"], names=["x"])


def test_legend_shows_every_class_within_the_width():
  colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
  names = ["background", "something", "other thing"]
  narrow = figures.legend(names, colors, width=130)
  wide = figures.legend(names, colors, width=600)
  assert (narrow.shape[1], wide.shape[1]) == (130, 600)
  assert narrow.shape[0] > wide.shape[0]
  for color in colors:
    assert _has(narrow, color)
    assert _has(wide, color)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1), (3, 4, 3)])
def test_saved_image_comes_back(tmp_path, shape):
  image = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
  figures.save(tmp_path / "a.png", image)
  np.testing.assert_array_equal(
      figures.read(tmp_path / "a.png").reshape(shape), image)
  assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_stack_pads_to_the_widest():
  stacked = figures.stack([_plain((0, 0, 0), 2, 3), _plain((9, 9, 9), 1, 5)])
  assert stacked.shape == (3, 5, 3)
  assert stacked[0, 4].tolist() == [255] * 3


@settings(max_examples=100, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_enclose_the_range_with_few_steps(low, extent):
  ticks = figures.ticks(low, low + extent)
  slack = 1e-6 * (ticks[1] - ticks[0])
  assert ticks[0] <= low + slack
  assert ticks[-1] >= low + extent - slack
  assert 3 <= len(ticks) <= 8
  np.testing.assert_allclose(np.diff(ticks), ticks[1] - ticks[0], rtol=1e-6)


def test_curves_of_a_run(tmp_path):
  lines = [{"step": i, "seconds": i, "loss/g": 1 / (i + 1), "loss/d": None}
           for i in range(20)]
  lines += [{"step": 20, "val/miou": 0.5}]
  path = tmp_path / "metrics.jsonl"
  path.write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 21, "lo')
  out = tmp_path / "plots" / "curves.png"
  assert figures.plot_metrics(path, out)
  figure = figures.read(out)
  one = figures.panel({"loss/g": ([0], [1])}, title="loss")
  assert figure.shape == (2 * one.shape[0], *one.shape[1:])  # two panels
  assert _has(figure, figures._COLORS[0])
  assert not _has(figure, figures._COLORS[1])  # one curve a panel


def test_no_metrics_draw_nothing(tmp_path):
  assert not figures.plot_metrics(tmp_path / "none.jsonl", tmp_path / "a.png")
  assert not (tmp_path / "a.png").exists()


def test_curve_goes_down_when_values_do():
  x = np.arange(50)
  panel = figures.panel({"a": (x, -x)}, title="t")
  mine = (panel == np.array(figures._COLORS[0])).all(-1)
  mine[:, 650:] = False  # the legend's swatch
  rows, columns = np.nonzero(mine)
  left = rows[columns < np.quantile(columns, 0.1)].mean()
  right = rows[columns > np.quantile(columns, 0.9)].mean()
  assert right > left + 100  # rows count downwards

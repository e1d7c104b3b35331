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

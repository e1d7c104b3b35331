"""Partial annotations and folders of masks: what they hold and refuse."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import annotations
from semseg_jax.data import errors
from semseg_jax.data import pairs


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 999), st.sampled_from(["scribbles", "points"]))
def test_marks_lie_in_their_class(seed, kind):
  label = np.random.default_rng(seed).integers(0, 4, (4, 4))
  label = label.repeat(4, 0).repeat(4, 1)
  label[:2] = 255
  sample = lambda: annotations.partial(
      label, kind, ignore_index=255, strokes=2, length=0.5, seed=(seed, 1))
  marked = sample()
  np.testing.assert_array_equal(marked, sample())
  np.testing.assert_array_equal(marked[marked > 0] - 1, label[marked > 0])
  shown = set(np.unique(label)) - {255}
  assert set(np.unique(marked)) - {0} == {c + 1 for c in shown}
  if kind == "points":
    assert (marked > 0).sum() <= 2 * len(shown)


def test_strokes_are_longer_than_points():
  label = np.zeros((32, 32), np.uint8)
  marked = annotations.partial(label, "scribbles", ignore_index=255,
                               strokes=1, length=0.25, seed=0)
  assert (marked > 0).sum() == 8


def test_cells_lose_no_mark():
  marked = np.zeros((10, 12), np.int32)
  marked[9, 11], marked[0, 1], marked[0, 0] = 3, 2, 1
  cells = annotations.to_cells(marked, 4)
  assert cells[3, 3] == 3
  assert cells[0, 0] == 2  # the largest class within a cell
  assert (cells > 0).sum() == 2


def test_landmarks_are_read(tmp_path):
  path = tmp_path / "points.csv"
  path.write_text("image,class,x,y\na,2,0.5,0\nb,1,0,0.99\na,1,0,0\n")
  points = annotations.read_points(path, 4, 3)
  assert list(points) == ["a", "b"]
  np.testing.assert_array_equal(points["a"][0], [1, 0, 2, 0])
  assert points["b"][3, 0] == 1


def test_landmarks_of_one_cell(tmp_path, caplog):
  path = tmp_path / "points.csv"
  text = "image,class,x,y\na,2,0,0\na,2,0.1,0\na,1,0.5,0\nb,1,0,0\n"
  path.write_text(text)
  with caplog.at_level("WARNING"):
    annotations.read_points(path, 2, 3)
    assert not caplog.messages
    path.write_text(text + "a,1,0.2,0.2\n")
    points = annotations.read_points(path, 2, 3)
  np.testing.assert_array_equal(points["a"], [[2, 1], [0, 0]])
  message, = caplog.messages
  assert "1 of 5 landmarks do not count" in message


def test_landmarks_name_images_in_sub_folders(tmp_path):
  path = tmp_path / "points.csv"
  path.write_text(  # with the mark that Excel begins files with
      "image,class,x,y\nsub/ä,2,0,0\n./sub//ä,1,0.5,0\n", "utf-8-sig")
  points = annotations.read_points(path, 2, 3)
  assert list(points) == ["sub/ä"]
  np.testing.assert_array_equal(points["sub/ä"][0], [2, 1])


@pytest.mark.parametrize(("text", "said"), [
    ("", "must name the columns"),
    ("image,class,x\na,1,0\n", "must name the columns"),
    ("image,class,x,y\n", "holds no landmark"),
    ("image,class,x,y\na,one,0,0\n", "line 2.*class must be an integer"),
    ("image,class,x,y\na,1,0,0\na,1,1.5,0\n", r"line 3.*\[0, 1\)"),
    ("image,class,x,y\na,3,0,0\n", "line 2: class 3.*1 to 2"),
    ("image,class,x,y\na,0,0,0\n", "line 2: class 0"),
    ("image,class,x,y\n../a,1,0,0\n", "line 2: image '../a' leads out"),
    ("image,class,x,y\nb/../../a,1,0,0\n", "line 2: .* leads out"),
    ("image,class,x,y\n/tmp/a,1,0,0\n", "line 2: .* leads out"),
    ("image,class,x,y\nC:\\a,1,0,0\n", "line 2: .* leads out"),
    ("image,class,x,y\n,1,0,0\n", "line 2: an image without a name"),
    ("class,x,y,image\n1,0,0\n", "line 2: an image without a name"),
    ("image,class,x,y\n\udcff,1,0,0\n", r"points\.csv: not a UTF-8 text"),
    (f"image,class,x,y\n{'a' * 200_000},1,0,0\n", "line .: no line of a CSV"),
])
def test_bad_landmarks_name_the_line(tmp_path, text, said):
  path = tmp_path / "points.csv"
  path.write_bytes(text.encode("utf-8", "surrogateescape"))
  with pytest.raises(errors.DataError, match=said):
    annotations.read_points(path, 4, 3)
  with pytest.raises(errors.DataError, match="no such file"):
    annotations.read_points(tmp_path / "none.csv", 4, 3)


def saved(path, array):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(array).save(path)


def test_pairs_belong_together_by_their_ids(tmp_path):
  names = {"a.k": "jpg", "a": "png", "blu\u0308te": "png"}  # one is NFD
  for value, (name, ending) in enumerate(names.items()):
    saved(tmp_path / f"images/{name}.{ending}", np.full(
        (4, 6, 3), 100 * value, np.uint8))
    saved(tmp_path / f"masks/{name}.png", np.full((4, 6), value, np.uint8))
  (tmp_path / "masks/._a.png").write_bytes(b"of macOS")
  source = pairs.Pairs(tmp_path, 3, 3, 255)
  assert sorted(source.ids) == ["a", "a.k", "bl\xfcte"]
  for i in range(3):
    example = source[i]
    np.testing.assert_allclose(example["image"], 100.0 * np.broadcast_to(
        example["label"][..., None], (4, 6, 3)), atol=2)


def test_pairs_are_read_and_checked(tmp_path):
  for name in ("b", "a"):
    saved(tmp_path / f"images/{name}.png", np.full((4, 6, 3), 7, np.uint8))
    saved(tmp_path / f"masks/{name}.png", np.full((4, 6), 1, np.uint8))
  source = pairs.Pairs(tmp_path, 3, 2, 255)
  assert source.ids == ("a", "b")
  assert len(source) == 2
  assert source[1]["image"].shape == (4, 6, 3)
  assert (source[1]["label"] == 1).all()
  saved(tmp_path / "masks/b.png", np.full((4, 6), 2, np.uint8))
  with pytest.raises(errors.DataError, match=r"b.png: class index 2"):
    _ = source[1]
  saved(tmp_path / "masks/b.png", np.zeros((4, 4), np.uint8))
  with pytest.raises(errors.DataError, match=r"masks/b\.png: 4 x 4 .* 6 x 4"):
    _ = source[1]
  (tmp_path / "masks/b.png").unlink()
  with pytest.raises(errors.DataError, match="'b' has only one of the two"):
    pairs.Pairs(tmp_path, 3, 2, 255)
  with pytest.raises(errors.DataError, match="holds no mask"):
    pairs.Masks(tmp_path / "images/..", 2, 255)

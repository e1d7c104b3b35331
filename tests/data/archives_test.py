"""Finding downloads, pairing their files, and reading them in squares."""

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import mask_files
from semseg_jax.data import readers
from semseg_jax.data import store

_ARCHIVE = archives.Archive(
    "tiny", "the tiny page", ("images/*.png", "masks", "list.txt"))
_SPEC = datasets.Spec(
    name="tiny", class_names=("a", "b"), colors=np.zeros((2, 3), np.uint8))


def _whole(download, below=""):
  for i in (2, 10, 1):
    download.image(f"{below}images/p{i}.png", (8, 16), seed=i)
    download.save(f"{below}masks/p{i}_m.png", np.full((8, 16), 255, np.uint8))
  download.text(f"{below}list.txt", "p1")


@pytest.mark.parametrize("below", ["", "tiny/"])
def test_locate_in_the_folder_or_below_it(download, below):
  _whole(download, below)
  assert _ARCHIVE.locate(str(download.root)) == download.root / below


def test_locate_prefers_the_folder_of_the_name(download):
  _whole(download)
  _whole(download, "tiny/")
  assert _ARCHIVE.locate(str(download.root)) == download.root / "tiny"


def test_locate_lists_what_is_missing(download):
  with pytest.raises(errors.DataError, match="data.data_dir.*the tiny page"):
    _ARCHIVE.locate("")
  with pytest.raises(errors.DataError, match="no folder"):
    _ARCHIVE.locate(str(download.root))
  download.text("else.txt")
  with pytest.raises(errors.AbsentError, match="the tiny page"):
    _ARCHIVE.locate(str(download.root))
  download.image("tiny/images/p1.png")
  with pytest.raises(errors.DataError) as error:
    _ARCHIVE.locate(str(download.root))
  assert not isinstance(error.value, errors.AbsentError)
  assert "missing masks, list.txt" in str(error.value)


def test_hidden_files_of_macos_are_left_alone(download):
  for name in ("._images/._p1.png", "images/._p1.png"):
    download.image(name)
  with pytest.raises(errors.DataError, match=r"images/\*\.png"):
    _ARCHIVE.locate(str(download.root))
  _whole(download)
  download.save("masks/._p1_m.png", np.zeros((8, 16), np.uint8))
  items = _ARCHIVE.items(
      download.root, "images/{id}.png", ["masks/*{id}_m.png"])
  assert [i.key for i in items] == ["p1", "p10", "p2"]
  assert items[0].masks[0].endswith("masks/p1_m.png")


def test_items_pair_images_and_masks(download, caplog):
  _whole(download)
  items = _ARCHIVE.items(
      download.root, "images/{id}.png", ["masks/{id}_m.png"], expect=4)
  assert [i.key for i in items] == ["p1", "p10", "p2"]
  assert items[0].masks[0].endswith("masks/p1_m.png")
  assert "3 of 4" in caplog.text
  below = _ARCHIVE.items(
      download.root, "im*/p{id}.png", ["{dir}/../masks/p{id}_m.png"])
  assert [i.key for i in below] == ["1", "10", "2"]
  assert _ARCHIVE.listed(items, {"val": ["p2", "p1"]})["val"] == [
      items[2], items[0]]
  with pytest.raises(errors.DataError, match="1 of 2 .*'val'.*: p3; get"):
    _ARCHIVE.listed(items, {"val": ["p2", "p3"]})


def test_items_without_masks(download):
  _whole(download)
  for i in range(20, 27):
    download.image(f"images/p{i}.png")
  patterns = ("images/{id}.png", ["masks/{id}_m.png"])
  with pytest.raises(errors.DataError) as error:
    _ARCHIVE.items(download.root, *patterns)
  assert "7 of 10 images lack masks/{id}_m.png: p20, p21, p22, p23, p24, " \
      "...; get data set 'tiny' from the tiny page" in str(error.value)
  items = _ARCHIVE.items(download.root, *patterns, optional=True)
  assert sum(bool(i.masks) for i in items) == 3


def test_items_of_one_id_or_none(download):
  _whole(download)
  download.image("more/p1.png")
  with pytest.raises(errors.DataError, match="second image 'p1'"):
    _ARCHIVE.items(download.root, "*/{id}.png")
  with pytest.raises(errors.DataError, match="no image other/"):
    _ARCHIVE.items(download.root, "other/{id}.png")


def test_stored_side():
  assert [archives.stored_side(x) for x in (None, 64, 256, 321)] == [
      512, 256, 256, 321]


def test_squares_join_masks_on_another_grid(download):
  _whole(download)
  item, *_ = _ARCHIVE.items(
      download.root, "images/{id}.png", ["masks/{id}_m.png"])
  left = np.zeros((16, 32), np.uint8)
  left[:, :16] = 255
  download.save("masks/left.png", left)
  item = item._replace(masks=(str(download.root / "masks/left.png"),))
  content, mask = readers.squares(8)(item, 3)
  assert image_files.decode_image(content, 3, "x").shape == (8, 8, 3)
  assert (mask[:, :4] == 1).all()
  assert (mask[:, 4:] == 0).all()
  download.save("masks/left.png", left[:, :20])
  with pytest.raises(errors.DataError, match="left.png: mask is 20 x 16.*16 x"):
    readers.squares(8)(item, 3)


def test_colours_of_masks():
  colors = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 0]], np.uint8)
  painted = np.array([[[0, 0, 0], [255, 0, 0], [255, 0, 1]]], np.uint8)
  assert mask_files.read_colors(
      image_files.encode_png(painted), colors, 255, "x").tolist() == [
          [0, 1, 255]]
  indices = np.array([[2, 1]], np.uint8)
  assert mask_files.read_colors(
      image_files.encode_png(indices), colors, 255, "x").tolist() == [[2, 1]]


def test_gray_values_keep_their_depth(tmp_path):
  deep = np.array([[0, 40000]], np.uint16)
  Image.fromarray(deep).save(tmp_path / "a.png")
  values = image_files.decode_gray((tmp_path / "a.png").read_bytes(), "x")
  assert (values == deep).all()
  Image.fromarray(np.array([[-1.0]], np.float32)).save(tmp_path / "a.tif")
  with pytest.raises(errors.DataError, match="outside"):
    image_files.decode_gray((tmp_path / "a.tif").read_bytes(), "x")


def test_an_item_of_several_images(download):
  _whole(download)
  items = _ARCHIVE.items(download.root, "images/{id}.png")
  pixels = np.zeros((4, 4, 3), np.uint8)

  def expand(item, channels):
    for k in range(int(item.key[1:])):
      yield (f"{k:02d}", image_files.encode_png(pixels + k),
             np.full((4, 4), k % 2, np.uint8))

  splits = store.open_splits(
      _SPEC, {"train": items, "unlabeled": items[:1]}, volumes=True,
      cache_dir=str(download.root.parent / "cache"), expand=expand)
  train = splits["train"]
  assert len(train) == 13
  assert train.ids[:3] == ("p1_00", "p10_00", "p10_01")
  assert train.volumes[:2] == ("p1", "p10")
  assert train[10]["image"][0, 0, 0] == 9
  assert train[10]["label"][0, 0] == 1
  assert "label" not in splits["unlabeled"][0]


def test_more_items_than_are_read_ahead(download):
  for i in range(130):
    download.image(f"images/{i:03d}.png", (4, 4), seed=i)
  items = _ARCHIVE.items(download.root, "images/{id}.png")
  cache = str(download.root.parent / "cache")
  source = store.open_splits(
      _SPEC, {"unlabeled": items}, cache_dir=cache)["unlabeled"]
  for i in (0, 64, 129):
    np.testing.assert_array_equal(
        source[i]["image"],
        np.random.default_rng(i).integers(0, 255, (4, 4, 3), np.uint8))
  download("images/100.png").write_bytes(b"x")
  with pytest.raises(errors.DataError, match="100.png"):
    store.open_splits(_SPEC, {"unlabeled": items}, cache_dir=cache)

"""A plain folder of images as a source."""

import os

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import image_folder
from semseg_jax.data.formats import image_index


def _save(folder, name, shape=(6, 9, 3)):
  rng = np.random.default_rng(len(name))
  array = rng.integers(0, 256, shape).astype(np.uint8)
  Image.fromarray(array).save(folder / name)
  return array


def test_reads_images_in_order_of_names(tmp_path):
  b = _save(tmp_path, "b.png")
  _save(tmp_path, "a.jpg", (4, 5, 3))
  (tmp_path / "notes.txt").write_text("no image")
  source = image_folder.ImageFolder(tmp_path, 3)
  assert source.ids == ("a", "b")
  assert not source.labeled
  assert source[0]["image"].shape == (4, 5, 3)
  np.testing.assert_array_equal(source[1]["image"], b)


def test_gray_as_asked(tmp_path):
  _save(tmp_path, "a.png")
  assert image_folder.ImageFolder(tmp_path, 1)[0]["image"].shape == (6, 9, 1)


def test_an_image_of_a_mode_without_conversion_is_named(tmp_path):
  Image.new("LAB", (9, 6)).save(tmp_path / "a.tif")
  assert image_folder.ImageFolder(tmp_path, 3)[0]["image"].shape == (6, 9, 3)
  with pytest.raises(errors.DataError, match=r"a\.tif: a LAB image .* RGB or"):
    image_folder.ImageFolder(tmp_path, 1)[0]
  content = (tmp_path / "a.tif").read_bytes()
  for decode in (image_files.decode_gray, image_files.decode_binary):
    with pytest.raises(errors.DataError, match="^here: a LAB image"):
      decode(content, "here")


def test_broken_file_is_named(tmp_path):
  _save(tmp_path, "a.png")
  whole = (tmp_path / "a.png").read_bytes()
  (tmp_path / "a.png").write_bytes(whole[:len(whole) // 2])
  with pytest.raises(errors.DataError, match="a.png"):
    image_folder.ImageFolder(tmp_path, 3)[0]


def test_a_name_that_is_not_utf_8_is_shown(tmp_path):
  _save(tmp_path, "a.png")
  (tmp_path / "a.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.png"))
  _save(tmp_path, "b.png")
  source = image_folder.ImageFolder(tmp_path, 3)
  assert source.ids == ("b", r"\xe9")
  assert source[0]["id"] == "b"
  with pytest.raises(errors.DataError, match=r"\\xe9\.png: .* not UTF-8; ren"):
    source[1]
  with pytest.raises(errors.DataError, match=r"\\xe9\.png: .* not UTF-8; ren"):
    image_index.ImageIndex(tmp_path)


def test_bad_folders(tmp_path):
  with pytest.raises(errors.DataError, match="no such image or folder"):
    image_folder.ImageFolder(tmp_path / "none", 3)
  with pytest.raises(errors.DataError, match="no image"):
    image_folder.ImageFolder(tmp_path, 3)
  _save(tmp_path, "a.png")
  _save(tmp_path, "a.jpg")
  with pytest.raises(errors.DataError, match="'a'"):
    image_folder.ImageFolder(tmp_path, 3)


def test_images_of_sub_folders_are_not_passed_over_silently(tmp_path, caplog):
  (tmp_path / "b/c").mkdir(parents=True)
  _save(tmp_path / "b/c", "1.png")
  with pytest.raises(errors.DataError, match=r"1 images lie .*\*\*"):
    image_folder.find(str(tmp_path), 3)
  _save(tmp_path, "a.png")
  assert image_folder.find(str(tmp_path), 3).ids == ("a",)
  assert "1 images lie in its sub-folders" in caplog.text
  caplog.clear()
  (tmp_path / "b/labels.json").write_text("{}")  # what `label` has written
  image_folder.find(str(tmp_path), 3)
  assert not caplog.text


def test_patterns_and_lists_name_files_in_several_folders(tmp_path):
  for name in ("a", "b/c"):
    (tmp_path / name).mkdir(parents=True)
    _save(tmp_path / name, "1.png")
  (tmp_path / "a/notes.txt").write_text("no image")
  files = image_folder.find(f"{tmp_path}/**/*", 3)
  assert files.ids == ("a/1", "b/c/1")
  listed = tmp_path / "list.txt"
  listed.write_text(f"b/c/1.png\n\n{tmp_path}/a/1.png\n")
  assert image_folder.find(str(listed), 3).ids == ("b/c/1", "a/1")
  assert image_folder.find(f"{tmp_path}/a", 1).ids == ("1",)
  assert image_folder.find(f"{tmp_path}/a/1.png", 1).ids == ("1",)
  listed.write_bytes(b"\xef\xbb\xbfa/1.png\r\n")
  assert image_folder.find(str(listed), 3)[0]["id"] == "a/1"
  with pytest.raises(errors.DataError, match="matches no image"):
    image_folder.find(f"{tmp_path}/*.gif", 3)
  for content in (b"\0\0", b"\xff"):
    listed.write_bytes(content)
    with pytest.raises(errors.DataError, match=r"list\.txt: neither"):
      image_folder.find(str(listed), 3)


def test_ids_stay_where_images_are_added(tmp_path, monkeypatch):
  (tmp_path / "p/a").mkdir(parents=True)
  (tmp_path / "p/b").mkdir()
  _save(tmp_path / "p/a", "x.png")
  listed = tmp_path / "p/list.txt"
  listed.write_text("a/x.png\n")
  monkeypatch.chdir(tmp_path)
  asked = ("p/**/*.png", f"{tmp_path}/p/*/?.png", "p/../p/*/x.png",
           str(listed), "p/list.txt")
  for text in asked:
    assert image_folder.find(text, 3).ids == ("a/x",)
  _save(tmp_path / "p/b", "x.png")
  listed.write_text("a/x.png\nb/x.png\n")
  for text in asked:
    assert image_folder.find(text, 3).ids == ("a/x", "b/x")
  # Images elsewhere: what all are in.
  _save(tmp_path, "y.png")
  listed.write_text("a/x.png\n../y.png\n")
  assert image_folder.find(str(listed), 3).ids == ("p/a/x", "y")
  assert image_folder.find("p/a", 3).ids == ("x",)


def test_a_pattern_leaves_out_what_label_wrote(tmp_path, caplog):
  for name in ("a", "out/a"):
    (tmp_path / name).mkdir(parents=True)
  _save(tmp_path / "a", "1.png")
  _save(tmp_path / "out/a", "1_index.png")
  assert len(image_folder.find(f"{tmp_path}/**/*", 3)) == 2
  (tmp_path / "out/labels.json").write_text("{}")
  source = image_folder.find(f"{tmp_path}/**/*", 3)
  assert [f.resolve() for f in source.folders] == [tmp_path / "a"]
  assert "1 images are left out" in caplog.text
  # Asked for by name, they are images as others.
  assert image_folder.find(f"{tmp_path}/out/**/*", 3).ids == (
      "a/1_index",)

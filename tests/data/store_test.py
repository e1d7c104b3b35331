"""Preparing file-based sets: what is stored, one line for what is broken."""

import os
import struct
import zlib

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import errors


def _load(tree):
  return datasets.load(
      "folder", data_dir=str(tree), cache_dir=str(tree.parent / "cache"))


def test_stored_images_are_the_files(tree):
  dataset = _load(tree)
  assert dataset.spec.name == "tiny"
  assert dataset.spec.class_names == ("a", "b", "c")
  for split, source in dataset.splits.items():
    for i, name in enumerate(source.ids):
      example = source[i]
      assert example["id"] == name
      np.testing.assert_array_equal(
          example["image"], np.asarray(Image.open(tree / f"images/{name}.jpg")))
      assert source.labeled == (split != "unlabeled") == ("label" in example)
      if source.labeled:
        mask = np.asarray(Image.open(tree / f"masks/{name}.png"))
        np.testing.assert_array_equal(example["label"], mask)
  datasets.verify(dataset, dataset.splits)


def test_prepared_once_and_again_when_a_file_changes(tree):
  cache = tree.parent / "cache"
  _load(tree)
  first = set(os.listdir(cache))
  _load(tree)
  assert set(os.listdir(cache)) == first
  mask = np.asarray(Image.open(tree / "masks/p0.png")).copy()
  mask[3, 3] = (mask[3, 3] + 1) % 3
  Image.fromarray(mask).save(tree / "masks/p0.png")
  os.utime(tree / "masks/p0.png", (1, 1))
  np.testing.assert_array_equal(
      _load(tree).splits["train_labeled"][0]["label"], mask)
  assert len(os.listdir(cache)) == 2


def test_failed_preparation_leaves_nothing(tree):
  (tree / "images/p2.jpg").write_bytes(b"no image")
  with pytest.raises(errors.DataError):
    _load(tree)
  assert os.listdir(tree.parent / "cache") == []


def _png_header(width, height):
  """A PNG that claims a size and holds nothing."""
  def chunk(kind, body):
    return (struct.pack(">I", len(body)) + kind + body
            + struct.pack(">I", zlib.crc32(kind + body)))
  header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
  return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
          + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))


def _truncate(path):
  path.write_bytes(path.read_bytes()[:-60])


def _resize(path, size):
  Image.open(path).resize(size, Image.Resampling.NEAREST).save(path)


@pytest.mark.parametrize(("file", "spoil", "words"), [
    ("images/p2.jpg", lambda p: p.unlink(), ["p2", "train_labeled.txt"]),
    ("masks/p2.png", lambda p: p.unlink(), ["p2", "train_labeled.txt"]),
    ("images/p2.jpg", lambda p: p.write_bytes(b"text"),
     ["images/p2.jpg", "no known image format"]),
    ("images/p7.jpg", _truncate, ["images/p7.jpg"]),
    ("masks/p2.png", lambda p: _resize(p, (16, 11)),
     ["masks/p2.png", "16 x 11", "images/p2.jpg", "16 x 12"]),
    ("images/p2.jpg", lambda p: p.write_bytes(_png_header(60_000, 60_000)),
     ["images/p2.jpg"]),
    ("images/p2.jpg", lambda p: p.write_bytes(_png_header(9_100, 9_000)),
     ["images/p2.jpg", "9100 x 9000"]),
    ("classes.json", lambda p: p.unlink(), ["classes.json", "missing"]),
    ("classes.json", lambda p: p.write_text("{"), ["classes.json", "JSON"]),
    ("splits/val.txt", lambda p: p.write_text("p4\nghost\n"),
     ["val.txt", "ghost"]),
])
def test_broken_input_is_named_in_one_line(tree, file, spoil, words):
  spoil(tree / file)
  with pytest.raises(errors.DataError) as error:
    _load(tree)
  message = str(error.value)
  assert "\n" not in message
  for word in words:
    assert word in message


def test_volumes(tree):
  path = tree / "volumes.json"
  path.write_text('{"p0": "v"}')
  with pytest.raises(errors.DataError, match="volumes.json.*has no volume"):
    _load(tree)
  path.write_text(
      "{" + ", ".join(f'"p{i}": "v{i // 2}"' for i in range(9)) + "}")
  source = _load(tree).splits["train_labeled"]
  assert [source[i]["volume"] for i in range(4)] == ["v0", "v0", "v1", "v1"]


def test_wingspans_labeled_pool_is_unlabeled_too(tree, tmp_path):
  loaded = datasets.load(
      "wingspan", data_dir=str(tree), cache_dir=str(tmp_path / "cache"))
  pool, free = loaded.splits["train_labeled"], loaded.splits["unlabeled"]
  assert set(free.ids) == {"p6", "p7", "p8", *pool.ids}
  assert not free.labeled
  assert all("label" not in free[i] for i in range(len(free)))
  assert "label" in pool[0]

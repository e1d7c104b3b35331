"""Labels written for images without masks: shards, resuming, broken files."""

import json
import os

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import errors
from semseg_jax.data import image_folder
from semseg_jax.evaluation import labels

COLORS = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)


@pytest.fixture
def source(tmp_path):
  folder = tmp_path / "images"
  folder.mkdir()
  for i in range(7):
    array = np.zeros((8 + i, 16, 3), np.uint8)
    array[:, 8:] = 255
    Image.fromarray(array).save(folder / f"{i}.png")
  return image_folder.ImageFolder(folder, 3)


def _labeler(calls, fail_at=None):
  """Brightness as the label; raises at call number `fail_at`."""

  def label(images, numbers):
    if len(calls) == fail_at:
      raise KeyboardInterrupt
    calls.append(len(images))
    return labels.Labeled(
        [(x.mean(-1) > 127).astype(np.int32) for x in images],
        [0.5] * len(numbers), images)

  return label


def _write(label, source, out, fingerprint="a", **changes):
  return labels.write(
      label, source, method="by_eye", class_names=("dark", "bright"),
      colors=COLORS, batch_size=2, out_dir=out, fingerprint=fingerprint,
      **changes)


def test_labels_have_the_images_own_size(source, tmp_path):
  written = _write(_labeler([]), source, tmp_path / "out")
  assert written.confidence == {str(i): 0.5 for i in range(7)}
  for i in range(7):
    mask = np.asarray(Image.open(tmp_path / f"out/{i}_index.png"))
    assert mask.shape == (8 + i, 16)
    assert (mask[:, :8] == 0).all()
    assert (mask[:, 8:] == 1).all()
    for kind in ("color", "overlay", "reconstruction"):
      assert (tmp_path / f"out/{i}_{kind}.png").exists()
  shard = tmp_path / "out/labels-00000-of-00001.tar"
  stored = {name: label for name, label, _ in labels.read(shard)}
  np.testing.assert_array_equal(stored["6"], mask)
  assert len(stored) == 7
  told = json.loads(shard.with_suffix(".json").read_text())
  assert told == {"confidence": written.confidence, "unreadable": {}}


@pytest.mark.parametrize("cut", [0, 1, 700, 1600])
def test_continues_where_it_was_killed(source, tmp_path, cut):
  calls, out = [], tmp_path / "out"
  with pytest.raises(KeyboardInterrupt):
    _write(_labeler(calls, fail_at=2), source, out)
  shard = out / "labels-00000-of-00001.tar"
  content = shard.read_bytes()
  shard.write_bytes(content[:len(content) - cut])  # killed while it wrote
  there = [name for name, *_ in _whole(shard)]
  written = _write(_labeler([]), source, out)
  assert written.new == 7 - len(there)
  assert sorted(x for x, *_ in labels.read(shard)) == list("0123456")
  assert _write(_labeler([], fail_at=0), source, out).new == 0


def _whole(shard):
  with shard.open("rb") as file:
    return [x[1:] for x in labels._examples(file)]


def test_shards_share_the_images_and_new_ones_stay_in_theirs(source, tmp_path):
  out = tmp_path / "out"
  parts = [set(_write(_labeler([]), source, out, shard=(i, 3), kinds=())
               .confidence) for i in range(3)]
  assert set.union(*parts) == set(source.ids)
  assert sum(map(len, parts)) == len(source)
  assert {x.suffix for x in out.iterdir()} == {".tar", ".json"}
  Image.new("RGB", (9, 9)).save(tmp_path / "images/00.png")
  more = image_folder.ImageFolder(tmp_path / "images", 3)
  again = [_write(_labeler([]), more, out, shard=(i, 3), kinds=())
           for i in range(3)]
  assert sum(x.new for x in again) == 1
  with pytest.raises(ValueError, match="shards: 3 there, 2 now"):
    _write(_labeler([]), source, out, shard=(0, 2))


def test_labels_of_another_model_are_not_mixed(source, tmp_path):
  _write(_labeler([]), source, tmp_path / "out")
  with pytest.raises(ValueError, match="fingerprint: a there, b now"):
    _write(_labeler([]), source, tmp_path / "out", fingerprint="b")


@pytest.mark.parametrize(("content", "said"), [
    (None, "labels.json is missing or empty.*delete"),
    ("", "labels.json is missing or empty.*delete"),
    ('{"fingerprint": "a", ', "labels.json is damaged.*delete"),
    ("3", "labels.json is damaged.*delete")])
def test_labels_of_nobody_knows_what(source, tmp_path, content, said):
  out = tmp_path / "out"
  _write(_labeler([]), source, out)
  before = (out / "labels-00000-of-00001.tar").read_bytes()
  (out / "labels.json").unlink()
  if content is not None:
    (out / "labels.json").write_text(content)
  for _ in range(2):
    with pytest.raises(ValueError, match=said):
      _write(_labeler([]), source, out, fingerprint="b")
  assert (out / "labels-00000-of-00001.tar").read_bytes() == before
  for path in out.iterdir():
    path.unlink()
  assert _write(_labeler([]), source, out, fingerprint="b").new == 7


def test_a_call_that_failed_at_once_claims_nothing(source, tmp_path):
  out = tmp_path / "out"
  for shard in ((0, 1), (1, 3)):
    with pytest.raises(KeyboardInterrupt):
      _write(_labeler([], fail_at=0), source, out, shard=shard)

  def label(images, numbers):
    # Nothing is labeled yet, but a process is about to.
    with pytest.raises(ValueError, match="fingerprint: b there, a now"):
      _write(_labeler([]), source, out, shard=(1, 3))
    return _labeler([])(images, numbers)

  assert _write(label, source, out, fingerprint="b").new == 7
  assert [x.name for x in out.glob("*.tar")] == ["labels-00000-of-00001.tar"]


def test_one_process_works_on_a_shard(source, tmp_path):
  out = tmp_path / "out"

  def label(images, numbers):
    with pytest.raises(ValueError, match="another process"):
      _write(_labeler([]), source, out)
    return _labeler([])(images, numbers)

  assert _write(label, source, out).new == 7


def test_broken_images_are_named_and_tried_again(
    source, tmp_path, monkeypatch):
  path = tmp_path / "images/3.png"
  content = path.read_bytes()
  path.write_bytes(content[:40])
  written = _write(_labeler([]), source, tmp_path / "out")
  assert list(written.unreadable) == ["3"]
  assert len(written.confidence) == 6
  with monkeypatch.context() as patch:
    patch.delattr(labels, "read")  # no label is decoded for what has none
    assert _write(_labeler([]), source, tmp_path / "out").new == 0
  path.write_bytes(content)
  assert _write(_labeler([]), source, tmp_path / "out").new == 1
  for file in (tmp_path / "images").iterdir():
    file.write_bytes(b"")
  with pytest.raises(errors.DataError, match="none of 7"):
    _write(_labeler([]), source, tmp_path / "other")


def _repainted(path):
  """Changes an image's content, not its name, size or number of bytes."""
  image = 255 - np.asarray(Image.open(path))
  Image.fromarray(image).save(path, compress_level=0)


@pytest.mark.parametrize("kinds", [labels.KINDS, ()])
def test_an_image_that_has_changed_is_labeled_again(source, tmp_path, kinds):
  out, images = tmp_path / "out", tmp_path / "images"
  _write(_labeler([]), source, out)
  before = {name: label for name, label, _ in labels.read(
      out / "labels-00000-of-00001.tar")}
  for name in ("2", "3", "6"):
    _repainted(images / f"{name}.png")
  (images / "5.png").touch()  # its time alone has changed
  assert _write(_labeler([]), source, out, kinds=kinds).new == 3
  stored = [(name, label) for name, label, _ in labels.read(
      out / "labels-00000-of-00001.tar")]
  assert sorted(name for name, _ in stored) == list("0123456")
  for name, label in stored:
    same = name not in ("2", "3", "6")
    assert (label == before[name]).all() == same
    if same or kinds:
      np.testing.assert_array_equal(
          np.asarray(Image.open(out / f"{name}_index.png")), label)
    else:  # none of the image that it was
      assert not list(out.glob(f"{name}_*.png"))
  assert not list(out.glob("*.tmp"))
  assert _write(_labeler([], fail_at=0), source, out).new == 0



def test_files_that_lack_are_written_again(source, tmp_path):
  calls, out = [], tmp_path / "out"
  _write(_labeler(calls), source, out, kinds=["index"])
  first = (out / "3_index.png").read_bytes()
  (out / "3_index.png").unlink()
  done = len(calls)
  assert _write(_labeler(calls), source, out).new == 0
  assert len(calls) == done
  assert (out / "3_index.png").read_bytes() == first
  for i in range(7):
    assert (out / f"{i}_color.png").exists()
    assert (out / f"{i}_overlay.png").exists()


def test_a_name_too_long_for_its_files_is_left_out(source, tmp_path):
  name = 246 * "n"  # and .png; no room for _overlay
  folder, = source.folders
  (folder / "3.png").rename(folder / f"{name}.png")
  source = image_folder.ImageFolder(folder, 3)
  written = _write(_labeler([]), source, tmp_path / "out")
  assert len(written.confidence) == 6
  assert "too long" in written.unreadable[name]
  written = _write(_labeler([]), source, tmp_path / "tar", kinds=[])
  assert len(written.confidence) == 7


def test_a_file_of_as_many_bytes_is_told_by_its_content(source, tmp_path):
  path = tmp_path / "images/4.png"
  content = bytearray(path.read_bytes())
  _write(_labeler([]), source, tmp_path / "out")
  content[1] ^= 1  # no image any more
  path.write_bytes(content)
  os.utime(path, ns=(0, 0))
  written = _write(_labeler([], fail_at=0), source, tmp_path / "out")
  assert list(written.unreadable) == ["4"]
  assert sorted(written.confidence) == list("012356")


def test_labels_of_a_former_version_stay(source, tmp_path, monkeypatch):
  read = image_folder.ImageFiles.__getitem__
  with monkeypatch.context() as patch:
    patch.setattr(image_folder.ImageFiles, "__getitem__", lambda self, i: {
        k: v for k, v in read(self, i).items() if k != "file"})
    _write(_labeler([]), source, tmp_path / "out")
  _repainted(tmp_path / "images/0.png")
  assert _write(_labeler([], fail_at=0), source, tmp_path / "out").new == 0

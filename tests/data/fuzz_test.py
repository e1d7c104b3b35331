"""Readers of lists, masks and images on anything: DataError or a result."""

import contextlib
import io
import tracemalloc
import zlib

from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import image_files
from semseg_jax.data import mask_files
from semseg_jax.data.formats import image_index

FAST = settings(max_examples=150, deadline=None, suppress_health_check=[
    HealthCheck.function_scoped_fixture])


@FAST
@given(content=st.one_of(
    st.binary(max_size=60),
    st.text("ab./\\ \r\n\t\0\ufeff\x85é", max_size=30).map(str.encode)))
def test_id_lists(tmp_path, content):
  path = tmp_path / "list.txt"
  path.write_bytes(content)
  with contextlib.suppress(errors.DataError):
    ids = id_lists.read(path)
    assert len(set(ids)) == len(ids)
    for x in ids:
      assert x == x.strip() != ""
      assert (tmp_path / x).resolve().is_relative_to(tmp_path.resolve())
      with pytest.raises(errors.DataError, match="list.txt"):
        image_index.find({}, tmp_path / "images", x, path)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b",
                                  "a\0b"])
def test_ids_that_lead_elsewhere(tmp_path, name):
  path = tmp_path / "list.txt"
  path.write_text(f"fine\n{name}\n")
  with pytest.raises(errors.DataError, match="leads out"):
    id_lists.read(path)


def test_list_of_absurd_size(tmp_path):
  path = tmp_path / "list.txt"
  with path.open("wb") as file:
    file.truncate(id_lists.MAX_BYTES + 1)  # sparse: takes no disk space
  with pytest.raises(errors.DataError, match="no list of ids"):
    id_lists.read(path)


def test_byte_order_mark_of_other_editors(tmp_path):
  path = tmp_path / "list.txt"
  path.write_bytes("\ufeffa\r\nb\r\n".encode())
  assert id_lists.read(path) == ("a", "b")


def _encoded(mode, kind):
  rng = np.random.default_rng(0)
  array = rng.integers(0, 3, (9, 7), np.uint8)
  out = io.BytesIO()
  Image.fromarray(array).convert(mode).save(out, kind)
  return out.getvalue()


VALID = [_encoded(*x) for x in (
    ("L", "png"), ("P", "png"), ("RGB", "png"), ("1", "tiff"), ("L", "bmp"),
    ("RGB", "jpeg"), ("P", "gif"), ("RGB", "webp"), ("L", "ppm"))]


@FAST
@given(data=st.data())
def test_images_and_masks(data):
  content = bytearray(data.draw(st.sampled_from(VALID)))
  for _ in range(data.draw(st.integers(1, 5))):
    at = data.draw(st.integers(0, len(content) - 1))
    content[at:at + data.draw(st.integers(0, 3))] = data.draw(
        st.binary(max_size=4))
    content = content or bytearray(b"x")
  content = bytes(content)
  with contextlib.suppress(errors.DataError):
    mask = mask_files.read_indices(content, "file")
    assert (mask.dtype, mask.ndim) == (np.uint8, 2)
  for channels in (1, 3):
    with contextlib.suppress(errors.DataError):
      image = image_files.decode_image(content, channels, "file")
      assert image.dtype == np.uint8
      assert image.shape[2:] == (channels,)


@FAST
@given(content=st.binary(max_size=200))
def test_any_bytes_are_no_image(content):
  with pytest.raises(errors.DataError, match="file: "):
    mask_files.read_indices(content, "file")


def test_bomb_is_refused_before_it_is_unpacked():
  size = 20_000  # squared, 50 MB of one-bit pixels, 400 MB as bytes
  chunk = lambda kind, body: (
      len(body).to_bytes(4, "big") + kind + body
      + zlib.crc32(kind + body).to_bytes(4, "big"))
  packer = zlib.compressobj(9)
  row = bytes(size // 8 + 1)
  body = b"".join(packer.compress(row * 100) for _ in range(size // 100))
  header = size.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
  content = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
             + chunk(b"IDAT", body + packer.flush()) + chunk(b"IEND", b""))
  assert len(content) < 1 << 17
  tracemalloc.start()
  for read in (lambda x: mask_files.read_indices(x, "bomb.png"),
               lambda x: image_files.decode_image(x, 3, "bomb.png")):
    with pytest.raises(errors.DataError, match="bomb.png"):
      read(content)
  assert tracemalloc.get_traced_memory()[1] < 8 << 20
  tracemalloc.stop()


@pytest.mark.parametrize("kind", image_files._FORMATS)
def test_every_format_is_read(kind):
  out = io.BytesIO()
  Image.new("L", (4, 3), 7).save(out, kind)
  decoded = image_files.decode_image(out.getvalue(), 1, "file")
  assert decoded.shape == (3, 4, 1)


def test_formats_that_run_programs_are_refused():
  out = io.BytesIO()
  Image.new("L", (4, 4)).save(out, "eps")
  with pytest.raises(errors.DataError, match="no known image format"):
    image_files.decode_image(out.getvalue(), 1, "a.png")


def test_file_of_absurd_size(tmp_path, monkeypatch):
  monkeypatch.setattr(image_files, "MAX_BYTES", 1000)
  path = tmp_path / "a.png"
  path.write_bytes(bytes(1001))
  with pytest.raises(errors.DataError, match="a.png: more than"):
    image_files.read_bytes(path)

"""Masks of every depth and mode: the values as drawn, or one clear line."""

import io
import struct
import zlib

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import mask_files

COLORS = ((0, 0, 0), (0, 176, 0), (200, 30, 30))
LEGEND = mask_files.Legend(("ground", "leaf", "spot"), COLORS)
DRAWN = np.arange(40).reshape(5, 8) % 3


def png(values, depth, color=0, more=b""):
  """A PNG of any depth; `more`: chunks before the pixels."""
  rows = b""
  for row in values:
    bits = "".join(format(int(x), f"0{depth}b") for x in row)
    bits += "0" * (-len(bits) % 8)
    rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
  height, width = values.shape
  header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
  return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more
          + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def chunk(kind, body):
  return (struct.pack(">I", len(body)) + kind + body
          + struct.pack(">I", zlib.crc32(kind + body)))


def encoded(image, kind="png", **options):
  out = io.BytesIO()
  image.save(out, kind, **options)
  return out.getvalue()


def painted(drawn=DRAWN, colors=COLORS):
  return np.asarray(colors, np.uint8)[drawn]


@given(depth=st.sampled_from([1, 2, 4, 8, 16]), data=st.data())
@settings(max_examples=60, deadline=None)
def test_gray_of_any_depth_is_read_as_drawn(depth, data):
  most = min((1 << depth) - 1, 255)
  width = data.draw(st.integers(1, 9))
  values = np.asarray(data.draw(st.lists(
      st.lists(st.integers(0, most), min_size=width, max_size=width),
      min_size=1, max_size=4)))
  np.testing.assert_array_equal(
      mask_files.read_indices(png(values, depth), "a.png"), values)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palettes_are_indices_at_any_depth(depth):
  values = DRAWN % (1 << depth)
  palette = chunk(b"PLTE", bytes(range(9)) + bytes(39))
  label = mask_files.read(png(values, depth, 3, palette), LEGEND, "a.png")
  np.testing.assert_array_equal(label, values)


@pytest.mark.parametrize(("mode", "kind"), [
    ("L", "bmp"), ("L", "tiff"), ("L", "gif"), ("P", "gif"), ("P", "bmp"),
    ("P", "tiff"), ("I;16", "png"), ("I;16", "tiff"), ("I", "tiff"),
    ("F", "tiff"), ("LA", "png"), ("RGB", "png"), ("RGBA", "png"),
    ("RGB", "bmp"), ("RGB", "tiff"), ("L", "ppm"), ("RGB", "webp")])
def test_modes_that_hold_indices(mode, kind):
  image = Image.fromarray(DRAWN.astype(np.uint8))
  if mode == "P":
    image.putpalette(list(range(9)) + [0] * 759)
  elif mode == "I;16":
    image = Image.fromarray(DRAWN.astype(np.uint16))
  else:
    image = image.convert(mode)
  options = {"lossless": True} if kind == "webp" else {}
  content = encoded(image, kind, **options)
  for label in (mask_files.read_indices(content, "a"),
                mask_files.read(content, LEGEND, "a")):
    np.testing.assert_array_equal(label, DRAWN)
    assert label.dtype == np.uint8


def test_gray_maps_of_a_small_maximum():
  text = b"P5 # indices\n8 5\n3\n" + DRAWN.astype(np.uint8).tobytes()
  np.testing.assert_array_equal(mask_files.read_indices(text, "a.pgm"), DRAWN)


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff"])
def test_colour_masks_are_read_by_the_classes_colours(kind):
  image = Image.fromarray(painted())
  np.testing.assert_array_equal(
      mask_files.read(encoded(image, kind), LEGEND, "a"), DRAWN)


def test_a_colour_of_no_class_names_the_nearest():
  pixels = painted()
  pixels[3, 4] = (10, 170, 8)
  with pytest.raises(errors.DataError, match=(
      r"a\.png: colour \(10, 170, 8\) at row 3, column 4.*"
      r"nearest is 'leaf' \(0, 176, 0\)")):
    mask_files.read(encoded(Image.fromarray(pixels)), LEGEND, "a.png")


def test_colours_that_do_not_count():
  legend = mask_files.Legend(
      ("a", "b"), COLORS[:2], 254, ignore_colors=(COLORS[2],))
  label = mask_files.read(encoded(Image.fromarray(painted())), legend, "a")
  np.testing.assert_array_equal(label, np.where(DRAWN == 2, 254, DRAWN))


@pytest.mark.parametrize(("kind", "options"), [
    ("jpeg", {}), ("webp", {"quality": 80}), ("tiff", {"compression": "jpeg"})])
def test_lossy_masks_are_refused_by_that_word(kind, options):
  content = encoded(Image.fromarray(painted()), kind, **options)
  for read in (lambda: mask_files.read_indices(content, "a.png"),
               lambda: mask_files.read(content, LEGEND, "a.png")):
    with pytest.raises(errors.DataError, match=r"a\.png: .*lossy"):
      read()


def test_values_are_mapped():
  legend = mask_files.Legend(
      ("a", "b"), COLORS[:2], values={0: 0, 255: 1, 128: 255})
  drawn = np.array([[0, 255, 128]], np.uint8)
  label = mask_files.read(encoded(Image.fromarray(drawn)), legend, "a.png")
  np.testing.assert_array_equal(label, [[0, 1, 255]])
  one_bit = encoded(Image.fromarray(drawn > 200))
  np.testing.assert_array_equal(
      mask_files.read(one_bit, legend, "a.png"), [[0, 1, 0]])
  with pytest.raises(errors.DataError, match=r"a\.png: holds the value 7.*0, "):
    mask_files.read(encoded(Image.fromarray(drawn // 2 + 7)), legend, "a.png")


def test_a_value_of_one_is_white_only_where_white_is_mapped():
  legend = mask_files.Legend(("a", "b"), COLORS[:2], values={0: 0, 128: 1})
  stray = np.array([[0, 1, 1]], np.uint8)
  with pytest.raises(errors.DataError, match="holds the value 1,"):
    mask_files.read(encoded(Image.fromarray(stray)), legend, "a.png")


@pytest.mark.parametrize(("image", "message"), [
    (Image.new("RGBA", (4, 3), (0, 0, 0, 90)), "transparent"),
    (Image.fromarray(np.full((3, 4), 0.5, np.float32)), "fractions"),
    (Image.fromarray(np.full((3, 4), 70_000, np.int32)), "70000"),
    (Image.new("CMYK", (4, 3)), "CMYK"),
    (Image.new("L", (4, 3), 3), "class index 3.*values"),
])
def test_what_is_no_mask(image, message):
  with pytest.raises(errors.DataError, match=message):
    mask_files.read(encoded(image, "tiff"), LEGEND, "a.tif")


@pytest.mark.parametrize(("drawn", "values"), [
    ([1, 2], '{"1": 0, "2": 1}'), ([0, 100], '{"0": 0, "100": 1}'),
    ([0, 3, 255], '{"0": 0, "3": 1}'),
    ([0, 7, 9], '{"0": 0, "7": 1, "9": 2}')])
def test_other_values_come_with_a_mapping(drawn, values):
  legend = mask_files.Legend(("a", "b"), COLORS[:2])
  content = encoded(Image.fromarray(np.array([drawn], np.uint8)))
  with pytest.raises(errors.DataError) as error:
    mask_files.read(content, legend, "a.png")
  assert f'"values": {values}' in str(error.value)


def test_palette_in_the_colours_of_other_classes():
  image = Image.fromarray(DRAWN.astype(np.uint8), mode="P")
  image.putpalette([*COLORS[0], *COLORS[2], *COLORS[1]])
  content = encoded(image)
  with pytest.raises(errors.DataError, match="index 1 is 'leaf'.*'spot'"):
    mask_files.read(content, LEGEND, "a.png")
  legend = lambda masks: mask_files.Legend(
      LEGEND.class_names, COLORS, masks=masks)
  np.testing.assert_array_equal(
      mask_files.read(content, legend("indices"), "a"), DRAWN)
  np.testing.assert_array_equal(
      mask_files.read(content, legend("colours"), "a"),
      np.array([0, 2, 1])[DRAWN])


WHITE_FIRST = ((255,) * 3, (0,) * 3)


@pytest.mark.parametrize(("drawn", "colors", "values", "label"), [
    ([0, 1], WHITE_FIRST, None, [0, 1]),  # 1 is no color
    ([0, 255], WHITE_FIRST, None, [1, 0]),
    ([255, 255], WHITE_FIRST, None, [0, 0]),
    ([0, 0], WHITE_FIRST, None, "0 is 'a' as an index.*is 'b' in classes.json"),
    ([0, 0], WHITE_FIRST[::-1], None, [0, 0]),
    ([0, 255], WHITE_FIRST[::-1], None, [0, 1]),
    ([0, 255], WHITE_FIRST[::-1], {0: 0, 255: 1}, [0, 1]),
    ([255, 255], WHITE_FIRST[::-1], {0: 1, 255: 0}, "255 is 'a' as an index"),
    ([0, 128], ((128,) * 3, (0,) * 3), None, [1, 0]),
    ([0, 0], ((128,) * 3, (0,) * 3), {0: 255, 1: 0}, "0 is ignored as an"),
])
def test_gray_stored_as_colour(drawn, colors, values, label):
  content = encoded(Image.fromarray(np.uint8([drawn])).convert("RGB"))
  legend = lambda masks: mask_files.Legend(
      ("a", "b"), colors, values=values, masks=masks)
  read = lambda masks: mask_files.read(content, legend(masks), "a.png")[0]
  if not isinstance(label, str):
    np.testing.assert_array_equal(read("auto"), label)
    return
  with pytest.raises(errors.DataError, match=rf"a\.png: gray.*{label}"):
    read("auto")
  np.testing.assert_array_equal(read("colours"), [
      colors.index((x,) * 3) for x in drawn])
  np.testing.assert_array_equal(
      read("indices"), [(values or {0: 0})[x] for x in drawn])


@pytest.mark.parametrize("color", [2, 4, 6])
def test_deep_channels_are_refused(color):
  count = {2: 3, 4: 2, 6: 4}[color]
  values = np.repeat(DRAWN, count, axis=1)
  content = bytearray(png(values, 16, color))
  # IHDR's width is of pixels, not of samples.
  content[16:20] = struct.pack(">I", DRAWN.shape[1])
  content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
  with pytest.raises(errors.DataError, match="values up to 65535"):
    mask_files.read_indices(bytes(content), "a.png")
  with pytest.raises(errors.DataError, match="16 bits a channel.*window"):
    image_files.decode_image(bytes(content), 3, "a.png")


def test_several_images_in_one_file():
  image = Image.new("L", (4, 3))
  content = encoded(image, "tiff", save_all=True, append_images=[image])
  with pytest.raises(errors.DataError, match="holds 2 images"):
    mask_files.read_indices(content, "a.tif")


def test_negative_values_are_no_color():
  out = io.BytesIO()
  Image.fromarray(np.where(DRAWN == 2, -1, DRAWN).astype(np.int32)).save(
      out, "tiff")
  legend = mask_files.Legend(
      ("ground", "leaf", "spot"), COLORS, masks="colours")
  with pytest.raises(errors.DataError, match="^m: class index -1"):
    mask_files.read(out.getvalue(), legend, "m")

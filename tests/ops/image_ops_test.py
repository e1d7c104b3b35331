from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.ops import image_ops

_COLORS = ((0, 0, 0), (10, 20, 30), (250, 0, 128))


def test_uint8_survives_the_way_there_and_back():
  byte = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
  x = image_ops.from_uint8(byte)
  assert (x.min(), x.max()) == (-1.0, 1.0)
  # Truncation may lose one step to rounding, never more.
  assert (byte.astype(int) - image_ops.to_uint8(x)).max() <= 1
  # The middle of a step is safe.
  middle = ((byte + 0.5) / 127.5 - 1).astype(np.float32)
  np.testing.assert_array_equal(image_ops.to_uint8(middle), byte)


def test_to_uint8_clamps():
  x = np.array([-7.0, 7.0], np.float32)
  assert image_ops.to_uint8(x).tolist() == [0, 255]


@pytest.mark.parametrize("to", [np.asarray, jnp.asarray])
def test_kind_of_array_is_kept(to):
  kind = type(to(np.zeros(1)))
  logits = to(np.zeros((1, 4, 4, 3), np.float32))
  label = image_ops.to_label(logits)
  color = image_ops.colorize(label, _COLORS)
  image = to(np.zeros((1, 4, 4, 1), np.uint8))
  for x in (label, color, image_ops.overlay(image, color),
            image_ops.resize_logits(logits, (6, 5)),
            image_ops.from_uint8(image), image_ops.to_uint8(logits)):
    assert isinstance(x, kind)


def test_to_label():
  many = np.array([[[0.0, 2.0, 2.0], [-1.0, -2.0, -3.0]]])
  assert image_ops.to_label(many).tolist() == [[1, 0]]
  one = np.array([[[-0.1], [0.0], [0.1]]])
  assert image_ops.to_label(one).tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_get_no_labels(bad):
  logits = np.zeros((4, 4, 3), np.float32)
  logits[..., 1] = 1
  for padded in (False, True):
    label = image_ops.labels_at(jnp.asarray(logits), (3, 2), padded=padded)
    assert (label.shape, label.dtype) == ((3, 2), np.int32)
    assert (label == 1).all()
  logits[3, 3, 2] = bad
  for padded in (False, True):
    with pytest.raises(FloatingPointError, match="^method 'x': logits are NaN"):
      image_ops.labels_at(logits, (3, 2), padded=padded, row="x")


def test_colorize_shows_other_labels_grey():
  label = np.array([[0, 2, 255], [-1, 1, 3]])
  colored = image_ops.colorize(label, _COLORS)
  grey = [128] * 3
  np.testing.assert_array_equal(
      colored, [[_COLORS[0], _COLORS[2], grey], [grey, _COLORS[1], grey]])
  np.testing.assert_array_equal(
      image_ops.colorize(label.astype(np.int16), _COLORS),
      jax.jit(lambda x: image_ops.colorize(x, _COLORS))(label))


def test_other_labels_are_of_a_grey_that_no_class_has():
  colors = np.array([[0, 0, 0], [128] * 3, [160] * 3], np.uint8)
  colored = image_ops.colorize(np.array([[1, 255]]), colors)[0]
  np.testing.assert_array_equal(colored[0], [128] * 3)
  assert len(np.unique(colored[1])) == 1
  assert not (colored[1] == colors).all(1).any()


def test_overlay_of_a_gray_image():
  image = np.full((2, 2, 1), 100, np.uint8)
  color = np.broadcast_to(np.array([0, 100, 255], np.uint8), (2, 2, 3))
  assert image_ops.overlay(image, color)[0, 0].tolist() == [50, 100, 178]


def _bilinear(x, height, width):
  """Half-pixel bilinear resize of [H, W], value by value."""
  h, w = x.shape
  out = np.zeros((height, width))
  for i in range(height):
    for j in range(width):
      y = np.clip((i + 0.5) * h / height - 0.5, 0, h - 1)
      z = np.clip((j + 0.5) * w / width - 0.5, 0, w - 1)
      a, b = int(y), int(z)
      c, d = min(a + 1, h - 1), min(b + 1, w - 1)
      out[i, j] = (
          (1 - y + a) * ((1 - z + b) * x[a, b] + (z - b) * x[a, d])
          + (y - a) * ((1 - z + b) * x[c, b] + (z - b) * x[c, d]))
  return out


_SIDE = st.integers(1, 9)


@settings(max_examples=30, deadline=None)
@given(_SIDE, _SIDE, _SIDE, _SIDE, st.integers(0, 99))
def test_resize_logits_by_definition(h, w, height, width, seed):
  x = np.random.default_rng(seed).normal(size=(h, w, 2)).astype(np.float32)
  resized = image_ops.resize_logits(x, (height, width))
  expected = np.stack(
      [_bilinear(x[..., k], height, width) for k in range(2)], -1)
  np.testing.assert_allclose(resized, expected, atol=1e-5)


def test_resize_logits_of_jax_equals_numpy_and_upsampling_of_jax():
  x = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype(np.float32)
  resized = image_ops.resize_logits(jnp.asarray(x), (9, 12))
  np.testing.assert_allclose(
      resized, image_ops.resize_logits(x, (9, 12)), atol=1e-5)
  np.testing.assert_allclose(
      resized, jax.image.resize(x, (2, 9, 12, 3), "bilinear"), atol=1e-5)


def test_area_reduce():
  x = np.random.default_rng(0).normal(size=(2, 12, 12, 3))
  np.testing.assert_allclose(
      image_ops.area_reduce(x, 4),
      x.reshape(2, 4, 3, 4, 3, 3).mean((2, 4)), rtol=1e-12)
  assert image_ops.area_reduce(x, 12) is x
  with pytest.raises(ValueError, match="12"):
    image_ops.area_reduce(x, 5)


def test_grey_images_become_three_channels_for_rgb_networks():
  grey = np.arange(12, dtype=np.uint8).reshape(1, 3, 4, 1)
  np.testing.assert_array_equal(
      image_ops.normalize(grey, "imagenet"),
      image_ops.normalize(np.repeat(grey, 3, -1), "imagenet"))
  assert image_ops.normalize(grey, "unit").shape == grey.shape
  with pytest.raises(ValueError, match="1 or 3 channels"):
    image_ops.normalize(np.zeros((1, 2, 2, 2), np.uint8), "imagenet")

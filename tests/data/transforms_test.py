"""Resizing, and augmentation that moves image and label together."""

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from semseg_jax.data import transforms

_ALWAYS = transforms.AugmentOptions(flip_labeled=1.0, affine=1.0)


def _blocks(size=48):
  """A label of big blocks and the image that shows it: image = 60 * label."""
  label = np.ones((size, size), np.uint8)
  label[8:30, 10:20] = 2
  label[20:40, 26:42] = 3
  return {"image": np.repeat((60 * label)[..., None], 3, -1), "label": label}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_label_moves_with_the_image(seed):
  out = transforms.augment_labeled(
      _blocks(), np.random.default_rng(seed), _ALWAYS)
  seen = np.rint(out["image"][..., 0] / 60).astype(int)
  # Only pixels on an outline, which the image blends, may differ.
  assert (seen != out["label"]).mean() < 0.06
  assert out["image"].dtype == out["label"].dtype == np.uint8
  inner = out["label"].copy()
  assert set(np.unique(inner)) <= {0, 1, 2, 3}


@pytest.mark.parametrize(("options", "expected"), [
    ({"shift": (0.25, 0.0)}, lambda a: np.roll(a, 4, 1)),
    ({"shift": (0.0, -0.125)}, lambda a: np.roll(a, -2, 0)),
    ({"degrees": 90}, lambda a: np.rot90(a)),
])
def test_affine_directions(options, expected):
  rng = np.random.default_rng(0)
  image = rng.integers(1, 255, (16, 16, 3), np.uint8)
  label = rng.integers(1, 9, (16, 16), np.uint8)
  arguments = {"shift": (0, 0), "scale": 1, "degrees": 0, "border_label": 0}
  moved, moved_label = transforms.affine(image, label, **arguments | options)
  inside = moved_label > 0
  np.testing.assert_array_equal(
      moved_label[inside], expected(label)[inside])
  np.testing.assert_allclose(
      moved[2:-2, 5:-2].astype(int), expected(image)[2:-2, 5:-2].astype(int),
      atol=1)


def test_affine_border_and_scale():
  image = np.full((20, 20, 1), 200, np.uint8)
  label = np.ones((20, 20), np.uint8)
  small, small_label = transforms.affine(
      image, label, shift=(0, 0), scale=0.5, degrees=0, border_label=255)
  assert small.shape == (20, 20, 1)
  assert (small_label == 1).sum() == 100
  assert small_label[0, 0] == 255
  assert small[0, 0, 0] == 0


def test_augmentation_is_rare_without_options():
  example = _blocks()
  for seed in range(5):
    out = transforms.augment_labeled(
        example, np.random.default_rng(seed), transforms.AugmentOptions())
    np.testing.assert_array_equal(out["image"], example["image"])


def test_affine_probability():
  options = transforms.AugmentOptions(affine=0.5)
  example = _blocks(32)
  moved = sum(
      not np.array_equal(
          transforms.augment_labeled(
              example, np.random.default_rng(seed), options)["label"],
          example["label"])
      for seed in range(200))
  assert 70 < moved < 130


def test_unlabeled_flip_half_the_time():
  image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
  flips = 0
  for seed in range(200):
    out = transforms.augment_unlabeled(
        {"image": image}, np.random.default_rng(seed),
        transforms.AugmentOptions())["image"]
    flipped = np.array_equal(out, image[:, ::-1])
    assert flipped or np.array_equal(out, image)
    flips += flipped
  assert 70 < flips < 130


def test_resize():
  rng = np.random.default_rng(0)
  label = rng.choice(np.array([0, 5, 255], np.uint8), (30, 40))
  assert set(np.unique(transforms.resize_label(label, 16))) <= {0, 5, 255}
  # Antialiased: fine stripes become their mean.
  stripes = np.zeros((64, 32, 1), np.uint8)
  stripes[:, ::2] = 200
  out = transforms.resize_image(stripes, 8)
  assert out.shape == (8, 8, 1)
  np.testing.assert_allclose(out[2:-2, 2:-2], 100, atol=4)
  same = rng.integers(0, 255, (8, 8, 3), np.uint8)
  assert transforms.resize_image(same, 8) is same


def test_color_jitter():
  rng = np.random.default_rng(0)
  image = rng.integers(40, 200, (8, 8, 3), np.uint8)
  np.testing.assert_allclose(
      transforms.jitter_colors(image, 0, 0, 0, 0), image)
  gray = transforms.jitter_colors(image, 0, 0, -1, 0)
  np.testing.assert_array_equal(gray[..., 0], gray[..., 2])
  np.testing.assert_allclose(
      transforms.jitter_colors(image, 0.2, 0, 0, 0),
      np.minimum(np.rint(image * 1.2), 255), atol=1)
  red = np.zeros((1, 1, 3), np.uint8)
  red[..., 0] = 150
  turned = transforms.jitter_colors(red, 0, 0, 0, 1 / 3)[0, 0]
  assert turned.argmax() != 0
  options = transforms.AugmentOptions(brightness=0.5)
  out = transforms.augment_labeled(_blocks(), rng, options)
  np.testing.assert_array_equal(out["label"], _blocks()["label"])
  assert not np.array_equal(out["image"], _blocks()["image"])

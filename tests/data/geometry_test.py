"""Crops, padding, views: pixels stay with their labels."""

import numpy as np
import pytest

from semseg_jax.data import errors
from semseg_jax.data import geometry
from semseg_jax.data import pipeline
from semseg_jax.data import sources
from semseg_jax.data import views


def example(height=20, width=30, seed=0):
  """An image whose red channel is 10 times its label."""
  label = np.random.default_rng(seed).integers(
      0, 5, (height // 5, width // 5)).repeat(5, 0).repeat(5, 1).astype(
          np.uint8)
  image = np.zeros((height, width, 3), np.uint8)
  image[..., 0] = 10 * label
  image[..., 1] = 200
  return {"image": image, "label": label}


@pytest.mark.parametrize(("shape", "height", "width"), [
    ((16, 16), 20, 30), ((24, 24), 20, 30), ((40, 8), 20, 30)])
def test_crop_keeps_pairs_and_pads(shape, height, width):
  crop = geometry.Crop(shape, fill=(1, 2, 3), fill_label=255)
  for seed in range(8):
    cropped = geometry.random_crop(
        example(height, width), np.random.default_rng(seed), crop)
    image, label = cropped["image"], cropped["label"]
    assert image.shape == (*shape, 3)
    assert label.shape == shape
    inside = label != 255
    assert inside.sum() == min(height, shape[0]) * min(width, shape[1])
    np.testing.assert_array_equal(image[inside][:, 0], 10 * label[inside])
    assert (image[~inside] == (1, 2, 3)).all()


def test_crop_scales_by_short_side():
  crop = geometry.Crop((8, 8), short_side=(10, 40), blur=1.0)
  cropped = geometry.random_crop(
      {"image": example()["image"]}, np.random.default_rng(0), crop)
  assert set(cropped) == {"image"}
  assert cropped["image"].shape == (8, 8, 3)
  assert geometry.with_short_side((20, 30), 10) == (10, 15)
  assert geometry.with_short_side((31, 20), 10) == (15, 10)
  scaled = geometry.Crop((30, 45), scales=(1.5,))
  cropped = geometry.random_crop(example(), np.random.default_rng(0), scaled)
  assert (cropped["label"] != 255).all()


def test_too_large_for_padding():
  with pytest.raises(errors.DataError, match=(
      "image 'x' of .* config.data.geometry.evaluate")):
    geometry.padded_to(example() | {"id": "x"}, (16, 40), fill=(0, 0, 0))


class Images:
  ids, labeled, volumes = ("a", "b", "c"), True, ("x", "x", "y")

  def __len__(self):
    return 3

  def __getitem__(self, i):
    return example(20, 30, i) | {"id": self.ids[i]}


def test_viewed_sources():
  halved = geometry.Viewed(Images(), shape=(10, 15))
  assert halved[1]["image"].shape == (10, 15, 3)
  assert halved[1]["label"].shape == (10, 15)
  assert halved[1]["id"] == "b"
  square = geometry.Viewed(Images(), short_side=20)[0]
  np.testing.assert_array_equal(square["label"], example()["label"][:, 5:25])
  chosen = sources.by_ids(halved, ["c"])
  assert (chosen.ids, chosen.volumes) == (("c",), ("y",))


def test_rectangles_and_padding_in_batches():
  batch = next(pipeline.train_batches(
      Images(), Images(), size=(12, 18), batch_size=2,
      unlabeled_batch_size=2, seed=0))
  assert batch["labeled"]["image"].shape == (2, 12, 18, 3)
  assert batch["labeled"]["label"].shape == (2, 12, 18)
  cropped = next(pipeline.train_batches(
      Images(), Images(), size=(8, 8), batch_size=2,
      unlabeled_batch_size=2, seed=0, crop=geometry.Crop((8, 8))))
  assert cropped["unlabeled"]["image"].shape == (2, 8, 8, 3)
  padded = next(pipeline.eval_batches(
      Images(), size=(24, 32), batch_size=2, fill=(9, 9, 9)))
  np.testing.assert_array_equal(
      padded["image"][0, :20, :30], example()["image"])
  assert (padded["image"][:, 20:] == 9).all()


def test_views():
  classes = views.presence(np.array([[0, 2], [255, 2]], np.uint8), 4, 255)
  assert classes.tolist() == [1, 0, 1, 0]
  plain = views.prepared(example(), size=(20, 30), num_classes=5,
                         ignore_index=255, with_classes=True)
  assert plain["classes"].sum() == len(np.unique(example()["label"]))
  flips = 0
  for seed in range(20):
    pair = views.both(plain, np.random.default_rng(seed), views.Strong())
    image = plain["image"]
    flipped = (pair["image"] == image[:, ::-1]).all()
    assert flipped or (pair["image"] == image).all()
    flips += flipped
    assert pair["strong"].shape == image.shape
    assert (pair["strong"] != image).any()
    assert (pair["classes"] == plain["classes"]).all()
  assert 2 < flips < 18

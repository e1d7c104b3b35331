"""Rendered data sets: repeatable, all classes, one geometry in two styles."""

import numpy as np
import pytest

from semseg_jax.data import datasets
from semseg_jax.data.rendering import face
from semseg_jax.data.rendering import fields
from semseg_jax.data.rendering import scene


@pytest.mark.parametrize("name", ["toy_faces", "scenes"])
@pytest.mark.parametrize("size", [16, 33, 64, 256])
def test_sizes_and_types(name, size):
  dataset = datasets.load(name, size=size)
  for split in ("val", "test"):
    example = dataset.splits[split][0]
    assert example["image"].shape == (size, size, 3)
    assert example["image"].dtype == example["label"].dtype == np.uint8
    assert 20 < example["image"].mean() < 235
    datasets.verify(dataset, [split])


@pytest.mark.parametrize("name", ["toy_faces", "scenes"])
def test_function_of_seed_split_and_index(name):
  a, b = (datasets.load(name, size=32).splits for _ in range(2))
  other = datasets.load(name, size=32, seed=1).splits
  b["val"][0]  # another order of access
  np.testing.assert_array_equal(a["val"][4]["image"], b["val"][4]["image"])
  np.testing.assert_array_equal(a["val"][4]["label"], b["val"][4]["label"])
  assert not np.array_equal(a["val"][4]["image"], other["val"][4]["image"])
  assert not np.array_equal(a["val"][4]["image"], a["test"][4]["image"])
  assert not np.array_equal(a["val"][4]["image"], a["val"][5]["image"])


@pytest.mark.parametrize("split", ["train_labeled", "ood_test"])
def test_toy_faces_has_all_parts(split):
  source = datasets.load("toy_faces", size=32).splits[split]
  count = np.zeros(7)
  for i in range(30):
    count[np.unique(source[i]["label"])] += 1
  assert count[[0, 1, 5, 6]].min() == 30
  assert count.min() >= 24


def test_toy_faces_label_is_the_same_at_every_size():
  """Half the size is every second centre's neighborhood: few pixels change."""
  small = datasets.load("toy_faces", size=32).splits["val"]
  large = datasets.load("toy_faces", size=128).splits["val"]
  for i in range(5):
    block = large[i]["label"].reshape(32, 4, 32, 4)
    inner = block[:, 1, :, 1]
    same = (inner == small[i]["label"]) | (
        block[:, 2, :, 2] == small[i]["label"])
    assert same.mean() > 0.98


def test_toy_faces_colors_follow_labels():
  """Eyes hold white and dark, hair differs from skin: image fits label."""
  source = datasets.load("toy_faces", size=64).splits["val"]
  gaps = []
  for i in range(20):
    image = source[i]["image"].astype(float)
    label = source[i]["label"]
    eyes = image[label == face.EYES]
    skin = image[label == face.SKIN]
    gaps.append(eyes.max(0).min() - np.median(skin))
    hair = image[label == face.HAIR]
    if len(hair):
      assert np.abs(hair.mean(0) - skin.mean(0)).max() > 8
  assert np.median(gaps) > 40


def test_toy_faces_domains_share_geometry_not_style():
  splits = datasets.load("toy_faces", size=32).splits
  stats = {}
  for name in ("test", "ood_test"):
    images = np.stack([splits[name][i]["image"] for i in range(40)])
    labels = np.stack([splits[name][i]["label"] for i in range(40)])
    edges = np.abs(np.diff(images.astype(float), axis=2)).mean()
    share = np.bincount(labels.ravel(), minlength=7) / labels.size
    stats[name] = edges, share
  assert stats["ood_test"][0] > 1.4 * stats["test"][0]
  np.testing.assert_allclose(
      stats["ood_test"][1], stats["test"][1], rtol=0.35, atol=0.01)


def test_scenes_show_few_of_many_classes():
  source = datasets.load("scenes", size=32).splits["val"]
  present = np.zeros((120, 256), bool)
  for i in range(120):
    present[i, np.unique(source[i]["label"])] = True
  classes = present[:, :len(scene.CLASSES)]
  assert classes.any(0).all()
  assert classes[:, 0].all()
  assert 2 < classes.sum(1).mean() < 4
  assert present[:, scene.IGNORE].mean() > 0.95


def test_noise_is_about_standard():
  values = np.stack([
      fields.noise(np.random.default_rng(i), 64, 8) for i in range(40)])
  assert abs(values.mean()) < 0.1
  assert 0.6 < values.std() < 1.2


def test_distances():
  x, y = fields.grid(64)
  disc = fields.ellipse(x, y, 0.5, 0.5)
  np.testing.assert_allclose(disc, np.hypot(x, y) - 0.5, atol=0.03)
  square = np.array([[-.5, -.5], [.5, -.5], [.5, .5], [-.5, .5]])
  inside = fields.polygon(x, y, square) < 0
  np.testing.assert_array_equal(inside, fields.box(x, y, 0.5, 0.5) < 0)
  assert inside.sum() == 32 * 32

"""What s4GAN and MLMT are trained on: streams of images, views and classes."""

import itertools

import jax
import numpy as np
from PIL import Image
import pytest

from configs.semisup import scenes
from semseg_jax.data import errors
from semseg_jax.methods.semisup import streams


def toy(**changes):
  c = scenes.get_config("labels=8,smoke")
  c.update_from_flattened_dict(changes)
  return c


def test_streams_are_independent_and_resume():
  config = toy(**{"data.num_classes": 10})
  take = lambda start, n: list(itertools.islice(streams.batches(
      config, start, labeled=4, unlabeled=3, real=4), n))
  whole, late = take(0, 4), take(2, 2)
  jax.tree.map(np.testing.assert_array_equal, whole[2:], late)
  first = whole[0]
  assert first["unlabeled"]["image"].shape == (3, 32, 32, 3)
  assert (first["labeled"]["image"] != first["real"]["image"]).any()
  views = next(iter(streams.view_batches(config, 0)))
  assert views["labeled"]["classes"].shape == (4, 10)
  assert set(np.unique(views["labeled"]["classes"])) <= {0, 1}
  assert set(views["unlabeled"]) == {"image", "strong"}
  config.mlmt.image_labels = True
  views = next(iter(streams.view_batches(config, 0)))
  assert views["unlabeled"]["classes"].shape == (4, 10)


def test_image_labels_of_images_without(tmp_path):
  config = toy(**{"data.name": "toy_faces", "data.num_classes": 7,
                  "data.num_unlabeled": 5, "mlmt.image_labels": True})
  with pytest.raises(errors.DataError, match="config.mlmt.image_labels"):
    next(iter(streams.view_batches(config, 0)))


def test_image_labels_are_not_those_of_others_with_the_same_name(tmp_path):
  for part in ("label_data/image", "label_data/label", "unlabel_data/image"):
    (tmp_path / part).mkdir(parents=True)
    gray = np.full((8, 8), len(part), np.uint8)
    Image.fromarray(0 * gray if part.endswith("label") else np.stack(
        [gray] * 3, -1)).save(tmp_path / part / "0.png")
  for name in ("label_data/train_full", "unlabel_data/unlabel"):
    (tmp_path / f"{name}_list.txt").write_text("0.png")
  config = toy(**{
      "data.name": "semantic_gan_official", "data.num_classes": 8,
      "data.data_dir": str(tmp_path), "data.cache_dir": str(tmp_path / "cache"),
      "data.num_labeled": 1, "data.num_unlabeled": -1,
      "mlmt.image_labels": True})
  with pytest.raises(errors.DataError, match="config.mlmt.image_labels"):
    next(iter(streams.view_batches(config, 0)))

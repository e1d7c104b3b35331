"""Distances that are watched while a GAN trains."""

import numpy as np
import pytest

from configs.semantic_gan import toy_faces
from semseg_jax import monitoring
from semseg_jax.interop import pretrained
from tests.data import own_folder


def _config(**changes):
  c = toy_faces.get_config("smoke")
  c.monitor.feature_size = 32
  c.update_from_flattened_dict(changes)
  return c


def _features(seed, scale=1.0):
  rng = np.random.default_rng(seed)
  return {"efficientnet": scale * rng.standard_normal((12, 5))}


def test_collapsed_samples_are_precise_but_cover_nothing():
  real = _features(0)
  one = {"efficientnet": real["efficientnet"][:1] + _features(1, 1e-3)[
      "efficientnet"]}
  result = monitoring.compare(real, one)
  assert result["monitor/efficientnet_precision"] == 1
  assert result["monitor/efficientnet_recall"] <= 1 / 12
  assert result["monitor/efficientnet_frechet"] > 1
  assert not any("fid" in name for name in result)


def test_images_that_are_repeated_in_training_count_once(tmp_path):
  """Else the copies of an image would leave it no neighborhood."""
  files = own_folder.Folder(tmp_path / "set")
  names = [f"p{i}" for i in range(8)]
  for i, name in enumerate(names):
    files.image(f"{name}.png", gray=20 * i)
    files.mask(f"{name}.png")
  files.lists(all=names)
  config = _config(**{
      "data.name": "folder", "data.data_dir": str(files.root),
      "data.cache_dir": str(tmp_path / "cache"), "data.num_classes": 2,
      "data.num_labeled": 2, "data.num_unlabeled": -1,
      "data.pool_repeats": 5, "monitor.samples": 37})
  real = monitoring.real_features(config, lambda image: {
      "efficientnet": np.asarray(image).mean((1, 2))})
  assert real["efficientnet"].shape == (37, 3)  # no whole batches of 32
  assert real["distinct"].sum() == 8
  config.monitor.samples = 0  # nothing is monitored, but a study compares
  assert len(monitoring.real_features(config, lambda image: {
      "efficientnet": np.asarray(image).mean((1, 2))})["distinct"]) == 32
  fake = {"efficientnet": real["efficientnet"][real["distinct"]] + 1e-3}
  assert monitoring.compare(real, fake)["monitor/efficientnet_precision"] == 1


def test_there_are_no_images_to_compare_with():
  with pytest.raises(ValueError, match="config.data.num_unlabeled is 0"):
    monitoring.real_features(_config(**{"data.num_unlabeled": 0}), dict)


@pytest.mark.slow
def test_pretrained_features_of_images_of_any_size():
  try:
    pretrained.variables("efficientnet_lite0", {})
  except FileNotFoundError as e:
    pytest.skip(str(e))
  network = monitoring.feature_network(_config(
      **{"monitor.network": "efficientnet_lite0"}))
  grey = np.linspace(-1, 1, 2 * 16 * 16, dtype=np.float32).reshape(2, 16, 16, 1)
  features = network(grey)
  assert set(features) == {"efficientnet"}
  assert features["efficientnet"].shape == (2, 1280)
  np.testing.assert_allclose(
      network(np.repeat(grey, 3, -1))["efficientnet"],
      features["efficientnet"], rtol=1e-4, atol=1e-5)


def test_without_any_network_the_features_are_of_an_untrained_one():
  config = _config()
  size = config.data.size
  network = monitoring.feature_network(config)
  image = np.zeros((4, size, size, config.data.channels), np.float32)
  real = network(image)
  joined = monitoring.joined([real, network(image + 1)])
  assert len(joined["random"]) == 8
  assert monitoring.compare(real, real) == {
      "monitor/random_feature_frechet": pytest.approx(0, abs=1e-5)}


def test_unknown_network():
  with pytest.raises(ValueError, match="config.monitor.network"):
    monitoring.feature_network(_config(**{"monitor.network": "vgg"}))

"""Fusion of s4GAN's segmentations with MLMT's classes, and its threshold."""

import numpy as np
import pytest

from configs.semisup import scenes
from semseg_jax.methods.semisup import fusion
from semseg_jax.ops import image_ops


def _config(tau=0.2):
  config = scenes.get_config("labels=8,smoke")
  config.data.num_classes = 3
  config.fusion.tau = tau
  return config


@pytest.mark.parametrize("tau", [-0.1, 1.0, 2.0, float("nan")])
def test_tau_out_of_range(tau, tmp_path):
  with pytest.raises(ValueError, match="config.fusion.tau"):
    fusion.combiner(_config(tau), tmp_path)


def test_fusion_needs_trained_stages(tmp_path):
  with pytest.raises(FileNotFoundError, match="'mlmt'"):
    fusion.combiner(_config(), tmp_path)
  with pytest.raises(ValueError, match="config.stages"):
    fusion.search(scenes.get_config("method=s4gan,smoke"), tmp_path, [0.2])


def test_search_tries_every_tau(tmp_path, monkeypatch):
  monkeypatch.setattr(fusion.classifiers, "restored", lambda *_: (
      lambda images: np.linspace(0, 0.9, 10)[None].repeat(len(images), 0)))
  monkeypatch.setattr(fusion.segmenter, "restored", lambda *_: (
      lambda images: -np.ones(images.shape[:3], np.float32)[..., None]
      * np.arange(10)))  # background
  config = scenes.get_config("method=s4gan_mlmt,smoke")
  rows = fusion.search(config, tmp_path, [0.05, 0.5])
  assert [row["tau"] for row in rows] == [None, 0.05, 0.5]
  assert rows[0]["s4gan+mlmt"] > 0
  assert rows[0]["s4gan+mlmt"] != rows[1]["s4gan+mlmt"]


def test_fusion_takes_classes_from_binary_logits():
  logits = np.array([-1.0, 0.0, 1.0], np.float32).reshape(1, 1, 3, 1)
  seen = np.array([[0.9, 0.9], [0.9, 0.1], [0.1, 0.9]], np.float32)
  labels = image_ops.to_label(fusion.fused(
      _config(), np.repeat(logits, 3, 0), seen, 0.2))
  np.testing.assert_array_equal(
      labels[:, 0], [[0, 0, 1], [0, 0, 0], [1, 1, 1]])


@pytest.mark.parametrize(("official", "label"), [(False, 2), (True, 0)])
def test_image_without_any_class(official, label):
  config = _config()
  config.match_official = official
  logits = np.array([-1.0, 0.0, 1.0], np.float32).reshape(1, 1, 1, 3)
  fused = fusion.fused(config, logits, np.full((1, 3), 0.1, np.float32), 0.2)
  assert image_ops.to_label(fused).item() == label

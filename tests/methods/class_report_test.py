"""Image-level scores of a segmenter, beside those of MLMT's classifiers."""

import numpy as np
import pytest

from configs.semisup import scenes
from semseg_jax.data import sources
from semseg_jax.methods.common import data
from semseg_jax.methods.common import validation
from semseg_jax.methods.semisup import class_report


def test_a_segmenters_scores_are_its_largest_probabilities():
  config = scenes.get_config("method=s4gan_mlmt,smoke")
  # The last batch of 4 is filled up.
  source = sources.Subset(data.evaluation_source(config, "val"), np.arange(6))

  def predict(images):
    logits = np.zeros((*images.shape[:3], 10), np.float32)
    logits[:, 0, 0, 3] = np.log(9)  # one pixel: 9 / 18
    return logits

  scores, truth = class_report.of_segmenter(config, predict, source)
  assert scores.shape == truth.shape == (6, 10)
  np.testing.assert_allclose(scores[:, 3], 0.5, rtol=1e-5)
  np.testing.assert_allclose(scores[:, 4], 0.1, rtol=1e-5)
  for i in range(len(source)):
    assert set(np.flatnonzero(truth[i])) == set(
        np.unique(source[i]["label"])) - {data.ignore_index(config)}


def test_validation_counts_the_first_images_and_refuses_nan():
  config = scenes.get_config("method=s4gan_mlmt,smoke")
  source = data.evaluation_source(config, "val")
  asked = []

  def predict(fill):
    def rows(_, images, indices):
      asked.extend(indices.tolist())
      return {"x": {"logits": np.full((*images.shape[:3], 10), fill)}}
    return rows

  counts = validation.confusions(
      config, predict(0.0), limit=3, batch_size=2)["x"]
  assert asked == [0, 1, 2, 2]
  assert counts.sum() == counts[:, 0].sum() == sum(
      (source[i]["label"] != data.ignore_index(config)).sum() for i in range(3))
  with pytest.raises(FloatingPointError, match="'x'.*NaN"):
    validation.confusions(config, predict(np.nan), limit=3, batch_size=2)

"""Scores on validation images, by which a run's methods are chosen."""

import numpy as np

from configs.semantic_gan import folder as config_file
from semseg_jax import method_scores
from tests.data import own_folder


def test_corrected_validation_masks_are_scored_anew(tmp_path):
  files = own_folder.Folder(tmp_path / "set")
  for name in ("a", "b", "c"):
    files.image(f"{name}.png")
    files.mask(f"{name}.png")
  files.lists(train_labeled=["a"], val=["b"], test=["c"])
  calls = []

  def predict(source, images, indices):
    calls.append(indices)
    truth = np.repeat(own_folder.MASK[None], len(images), 0)
    small = truth.repeat(3, 1)[:, :16].repeat(2, 2)
    return {"x": {"logits": np.stack([1 - small, small], -1).astype(
        np.float32)}}

  def validate(limit=6):
    config = config_file.get_config("size=16,classes=2,channels=3,smoke")
    config.evaluation.limit = limit
    config.data.update(data_dir=str(files.root), size=16,
                       cache_dir=str(tmp_path / "cache"))
    return method_scores.validate(config, tmp_path, predict)["x"]

  first = validate()
  assert validate() == first
  assert validate(0) == first  # there is but one image
  assert len(calls) == 1
  files.mask("b.png", 1 - own_folder.MASK)
  method_scores.data._load.cache_clear()
  method_scores.data._open.cache_clear()
  assert validate() != first
  assert len(calls) == 2

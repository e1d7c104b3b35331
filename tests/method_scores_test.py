"""Scores on validation images, by which a run's methods are chosen."""

import numpy as np
import pytest

from configs.semantic_gan import folder as config_file
from semseg_jax import method_scores
from tests.data import own_folder


def _config(files, **changes):
  config = config_file.get_config("size=16,classes=2,channels=3,smoke")
  config.data.update(data_dir=str(files.root), size=16,
                     cache_dir=str(files.root.parent / "cache"))
  config.update_from_flattened_dict(changes)
  return config


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
    config = _config(files, **{"evaluation.limit": limit})
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


@pytest.mark.parametrize(("field", "value", "written"), [
    ("evaluation.limit", 1, False), ("inversion.steps", 1, False),
    ("stages", ("supervised",), True)])
def test_only_scores_of_the_runs_own_config_are_kept(
    tmp_path, field, value, written):
  files = own_folder.Folder(tmp_path / "set")
  for name in ("a", "b", "c", "d"):
    files.image(f"{name}.png")
    files.mask(f"{name}.png")
  files.lists(train_labeled=["a"], val=["b", "c"], test=["d"])
  calls = []

  def predict(source, images, indices):
    calls.append(indices)
    return {"x": {"logits": np.zeros((*images.shape[:3], 2), np.float32)}}

  validate = lambda config: method_scores.validate(config, tmp_path, predict)
  own = _config(files, **{"evaluation.limit": 0})
  (tmp_path / "config.json").write_text(own.to_json_best_effort())
  validate(own)
  file = tmp_path / "validation.json"
  before = file.read_text()
  validate(_config(files, **{"evaluation.limit": 0, field: value}))
  assert len(calls) == 2
  assert (file.read_text() != before) == written

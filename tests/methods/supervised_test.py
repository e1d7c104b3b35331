"""The supervised baseline's step, and the fully supervised one."""

import jax
import numpy as np
import pytest

from semseg_jax.methods import fully_supervised
from semseg_jax.methods import supervised
from semseg_jax.methods.common import segmenter


@pytest.mark.parametrize("channels", [3, 1])
def test_one_step(toy_config, iterate, all_finite, channels):
  classes = {3: 3, 1: 2}[channels]
  config = toy_config(**{
      "data.channels": channels, "data.num_classes": classes,
      "dtype": {3: "float32", 1: "bfloat16"}[channels]})
  before, after, metrics = iterate(supervised.make(config, None), config)
  all_finite((after, metrics))
  assert after.step == 1
  assert metrics["loss"] > 0
  assert segmenter.build(config).num_classes == {3: 3, 2: 1}[classes]
  for x in jax.tree.leaves(after):
    assert x.dtype in (np.float32, np.int32)
  changed = jax.tree.map(lambda a, b: (a != b).any(), before.network,
                         after.network)
  assert all(changed["params"] and jax.tree.leaves(changed["batch_stats"]))


def test_no_labels_no_baseline(toy_config):
  with pytest.raises(ValueError, match="config.data.num_labeled"):
    supervised.make(toy_config(**{"data.num_labeled": 0}), None)


@pytest.mark.parametrize("field", [
    "data.size", "data.geometry.shape", "data.geometry.evaluate"])
def test_sides_that_the_levels_do_not_divide(toy_config, field):
  config = toy_config(**{
      field: 30 if field == "data.size" else (16, 30),
      "supervised.levels": 2})
  with pytest.raises(ValueError, match=r"30 \(config.data.size.*power of two"):
    supervised.make(config, None)


def test_fully_supervised_takes_all_labels(toy_config):
  config = toy_config()
  config.lock()
  changed = fully_supervised.effective(config)
  assert changed.data.num_labeled == -1
  assert config.data.num_labeled == 8
  assert fully_supervised.make(config, None).steps == config.supervised.steps

"""Labels by encoder and by inversion: variants, and no mixing of images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.methods import gan
from semseg_jax.methods.common import generators
from semseg_jax.methods.semantic_gan import encoder
from semseg_jax.methods.semantic_gan import labeling
from semseg_jax.training import checkpoint


@pytest.fixture(scope="module")
def run(toy_config, tmp_path_factory):
  """run(**changes) -> (config, folder) with untrained stages, as if trained."""

  def build(**changes):
    config = toy_config(**changes)
    folder = tmp_path_factory.mktemp("run")
    for name, module in (("gan", gan), ("encoder", encoder)):
      stage = module.make(config, folder)
      state = jax.jit(stage.init)(jax.random.key(0), stage.load_frozen())
      with checkpoint.Checkpoints(folder / name / "ckpt") as checkpoints:
        checkpoints.save(1, state, {})
    return config, folder

  return build


@pytest.mark.parametrize(("changes", "methods"), [
    ({}, ["encoder", "inversion@2", "inversion"]),
    pytest.param(
        {"encoder.kind": "residual", "inversion.start": "mean",
         "inversion.space": "w", "data.num_classes": 2},
        ["start", "inversion@2", "inversion"], marks=pytest.mark.slow)])
def test_labels_do_not_depend_on_the_batch(run, changes, methods):
  config, folder = run(**changes)
  predict = labeling.predictor(config, folder)
  size, classes = config.data.size, config.data.num_classes
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, (4, size, size, 3), np.uint8)
  others = images.copy()
  others[1:] = rng.integers(0, 256, (3, size, size, 3), np.uint8)
  index = np.array([7, 1, 2, 3], np.int32)
  first, again = predict(images, index), predict(others, index + [0, 5, 5, 5])
  assert list(first) == methods
  for method in methods:
    outputs = first[method]
    channels = 1 if classes == 2 else classes
    assert outputs["logits"].shape == (4, size, size, channels)
    assert outputs["reconstruction"].shape == images.shape
    assert outputs["reconstruction"].dtype == np.uint8
    assert outputs["confidence"].shape == (4,)
    for name in ("logits", "confidence"):
      np.testing.assert_allclose(
          outputs[name][0], again[method][name][0], rtol=1e-3, atol=1e-4,
          err_msg=f"{method} {name}")
  # The search has moved, and each image has labels of its own.
  last = first["inversion"]["logits"]
  assert np.abs(last - first[methods[0]]["logits"]).max() > 1e-3
  assert np.abs(last[0] - last[1]).max() > 1e-3


def test_untrained_run_names_the_stage(toy_config, tmp_path):
  with pytest.raises(FileNotFoundError, match="'gan'"):
    labeling.predictor(toy_config(), tmp_path)


def test_encoder_is_the_one_that_the_record_names(toy_config, tmp_path):
  config = toy_config(**{"encoder.mean_start": False})
  stage = encoder.make(config, tmp_path)
  shapes = jax.eval_shape(stage.init, jax.random.key(0), {})
  folder = tmp_path / "encoder/ckpt"
  with checkpoint.Checkpoints(folder) as checkpoints:
    for step, score in ((1, 0.2), (2, 0.7), (3, 0.5)):
      checkpoints.save(step, jax.tree.map(
          lambda x, n=step: jnp.full(x.shape, n, x.dtype), shapes), {}, score)
  # experiment.evaluate records `best`, not the newest.
  assert checkpoint.best(folder) == 2
  loaded = generators.load_encoder(config, tmp_path, "a test")
  assert {float(x.ravel()[0]) for x in jax.tree.leaves(loaded)} == {2.0}

"""Every method of every system labels images of any size by the same call."""

import numpy as np
import pytest

from configs.fewshot_smis import toy_faces as smis
from configs.semantic_gan import toy_faces
from configs.semisup import scenes
import semseg_jax
from semseg_jax import labeler
from semseg_jax import method_scores
from semseg_jax import predictors
from tests.methods import repurpose
from tests.methods import untrained

SIZES = ((33, 47), (61, 20), (32, 32))
SYSTEMS = {
    "branch": {"supervised", "encoder", "inversion"},
    "fitted": {"encoder", "inversion", "distilled", "inversion+distilled"},
    "semisup": {"supervised", "s4gan", "adv_ssl", "mean_teacher",
                "supervised+mlmt", "s4gan+mlmt"},
    "repurpose_gan": {"inversion", "auto_shot"},
    "fewshot_smis": {"fully_supervised"}}


def config_of(system, folder):
  if system in ("branch", "fitted"):
    c = untrained.semantic_gan(*(
        ("supervised", "gan", "encoder") if system == "branch" else
        ("gan", "encoder", "label_head", "distilled")),
        fitted=system == "fitted")
  elif system == "semisup":
    c = scenes.get_config("labels=8,smoke")
    c.stages = ("supervised", "s4gan", "adv_ssl", "mean_teacher", "mlmt")
  elif system == "repurpose_gan":
    c = repurpose.config(folder, **{"shots.source": "projected"})
  else:
    c = smis.get_config("shots=2,smoke")
    c.stages = ("fully_supervised",)
  return c.lock()


# api_test.py has the methods of "branch", trained.
@pytest.fixture(scope="module", params=[
    pytest.param("branch", marks=pytest.mark.slow),
    *[name for name in SYSTEMS if name != "branch"]])
def run(request, tmp_path_factory):
  folder = tmp_path_factory.mktemp(request.param)
  config = config_of(request.param, folder)
  untrained.save(config, folder, {"supervised": 0.25})
  return request.param, folder, config


@pytest.fixture(scope="module")
def model(run):
  return semseg_jax.load(run[1])


@pytest.fixture(scope="module")
def images():
  rng = np.random.default_rng(0)
  return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]


def test_every_method_labels_images_of_any_size(run, model, images):
  assert set(model.methods) == SYSTEMS[run[0]]
  for method in model.methods:
    result = model.segment(images, method)
    assert [x.shape for x in result.labels] == list(SIZES), method
    assert all(0 <= x.min() and x.max() < len(model.class_names)
               for x in result.labels)
    assert np.isfinite(result.confidence).all()


def test_an_export_labels_alike(run, model, images, tmp_path):
  path = tmp_path / "model.safetensors"
  model.export(path)
  for file in run[1].glob("*.safetensors"):
    file.rename(file.with_suffix(".away"))  # the generator that it names
  other = semseg_jax.load(path)
  for file in run[1].glob("*.away"):
    file.rename(file.with_suffix(".safetensors"))
  assert other.methods == model.methods
  for method in model.methods:
    for a, b in zip(*(m.segment(images, method).labels
                      for m in (model, other)), strict=True):
      np.testing.assert_array_equal(a, b, method)
  # Labels of new images leave nothing in the run.
  assert not (run[1] / "inversion").exists()


def test_evaluation_scores_every_method_on_the_same_images(run):
  system, folder, config = run
  predict = predictors.of_run(config, folder)
  scores = method_scores.validate(config, folder, predict)
  assert set(scores) == SYSTEMS[system]
  calls = []
  assert method_scores.validate(config, folder, calls.append) == scores
  assert not calls  # kept
  model = semseg_jax.load(folder)
  assert model.methods == scores
  assert model.methods[model.default_method] == max(scores.values())


def test_a_run_that_was_not_evaluated_has_its_stages_scores(run, model):
  scores = dict(model.methods)  # loaded before the test above
  assert scores.pop("supervised", 0.25) == 0.25
  assert set(scores.values()) <= {None}
  if "supervised" in model.methods:
    assert model.default_method == "supervised"
  else:  # what needs two stages is not chosen unasked
    assert "+" not in model.default_method


def test_what_is_not_there_is_said(run, model, images, tmp_path):
  with pytest.raises(ValueError, match="'magic' is not trained.*choose from"):
    model.segment(images, "magic")
  folder = tmp_path / "empty"
  untrained.save(_without_stages(run[2]), folder)
  with pytest.raises(ValueError, match="no trained stage"):
    semseg_jax.load(folder).segment(images)


def test_images_larger_than_the_padding(tmp_path, monkeypatch):
  c = scenes.get_config("labels=8,smoke")
  c.data.geometry.update(evaluate=(48, 48), pad_evaluation=True)
  shapes = set()

  def predict(source, images, *_):
    shapes.add(images.shape)
    seen = [x["image"] for x in source]
    assert max(side for x in seen for side in x.shape[:2]) <= 48
    red = images[..., 0].astype(np.float32)
    return {"logits": np.stack([np.zeros_like(red), red], -1)}

  monkeypatch.setattr(labeler.predictors, "of_row", lambda *_: predict)
  small = np.full((20, 24, 3), 255, np.uint8)
  large = np.full((96, 60, 3), 255, np.uint8)
  large[60:] = 0
  labels, confidence, _ = labeler.make(
      c, tmp_path, "s4gan", "s4gan", steps=None, batch_size=2)(
          [small, large], np.arange(2))
  assert shapes == {(2, 48, 48, 3)}
  assert [x.shape for x in labels] == [(20, 24), (96, 60)]
  assert labels[1][:52].all()
  assert not labels[1][68:].any()
  # Of the padding, where nothing is certain, nothing counts.
  assert confidence == pytest.approx([1.0, (60 + 36 / 2) / 96], abs=0.05)


def test_a_row_of_two_methods_needs_both():
  config = untrained.semantic_gan(
      "gan", "encoder", "label_head", "distilled", fitted=True)
  rows = lambda *untrained: set(predictors.rows_of(
      config, lambda name: name not in untrained))
  assert rows() == SYSTEMS["fitted"]
  assert rows("label_head") == {"distilled"}
  assert rows("distilled") == {"encoder", "inversion"}


def _without_stages(config):
  config = config.copy_and_resolve_references().unlock()
  config.stages = ()
  return config


def test_only_a_stages_own_row_has_its_score():
  config = toy_faces.get_config("labels=20,smoke,fitted")
  assert predictors.validated_row(config, "distilled") == "distilled"
  assert predictors.validated_row(config, "encoder") is None

"""The fitted head and the distilled segmenter, on an untrained generator."""

import itertools

import jax
import numpy as np
import pytest

from semseg_jax import joint_model
from semseg_jax import lineage
from semseg_jax.methods import gan
from semseg_jax.methods import supervised
from semseg_jax.methods.common import data
from semseg_jax.methods.common import feature_segmenter
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import segmenter
from semseg_jax.methods.semantic_gan import combined
from semseg_jax.methods.semantic_gan import distilled
from semseg_jax.methods.semantic_gan import encoder
from semseg_jax.methods.semantic_gan import label_head
from semseg_jax.methods.semantic_gan import labeling
from semseg_jax.training import checkpoint


def save(stage, state, folder):
  with checkpoint.Checkpoints(folder / "ckpt") as checkpoints:
    checkpoints.save(int(state.step) + 1, state, {})


@pytest.fixture(scope="module")
def images_run(toy_config, tmp_path_factory):
  """A run with stages `gan` and `encoder` of no labels, as if trained."""
  config = toy_config(**{"data.num_labeled": 0})
  folder = tmp_path_factory.mktemp("images")
  for name, module in (("gan", gan), ("encoder", encoder)):
    stage = module.make(config, folder)
    save(stage, jax.jit(stage.init)(jax.random.key(0), stage.load_frozen()),
         folder / name)
  return folder


@pytest.fixture(scope="module")
def fitted(toy_config, images_run, tmp_path_factory):
  """(config, folder, frozen, state, losses) of a fitted head."""
  config = toy_config(**{
      "labels.head": "fitted", "labels.run": str(images_run),
      "data.num_labeled": 2, "data.num_classes": 7,
      "few_shot.steps": 60, "few_shot.learning_rate": 1e-2,
      "distilled.num_samples": 40, "distilled.keep": 0.5,
      "distilled.min_probability": 0.3})
  folder = tmp_path_factory.mktemp("run")
  stage = label_head.make(config, folder)
  frozen = stage.load_frozen()
  state = stage.init(jax.random.key(0), frozen)
  step = jax.jit(stage.train_step, static_argnames="phase")
  losses = []
  for i, batch in enumerate(itertools.islice(
      stage.train_data(0), stage.steps)):
    state, metrics = step(state, frozen, batch, stage.rngs(
        jax.random.key(i), "step"), phase="step")
    losses.append(float(metrics["loss"]))
  save(stage, state, folder / "label_head")
  return config, folder, frozen, state, losses


def test_head_is_fitted_to_the_inverted_labeled_images(fitted):
  config, _, frozen, _, losses = fitted
  labeled, _ = data.train_sources(config)
  assert len(labeled) == 2
  assert frozen["label"].shape == (2, 8, 8)
  np.testing.assert_array_equal(frozen["image"][0].shape, (8, 8, 3))
  originals = {labeled[i]["image"].tobytes() for i in range(2)}
  assert {np.asarray(x).tobytes() for x in frozen["image"]} == originals
  assert np.mean(losses[-4:]) < 0.7 * np.mean(losses[:4])


def test_every_process_has_all_labeled_images(toy_config, monkeypatch):
  config = toy_config(**{"data.num_classes": 7, "data.num_labeled": 4})
  image, label = label_head.examples(config)
  monkeypatch.setattr(jax, "process_count", lambda: 2)
  monkeypatch.setattr(jax, "process_index", lambda: 1)
  there = label_head.examples(config)
  np.testing.assert_array_equal(there[0], image)
  np.testing.assert_array_equal(there[1], label)
  assert len(image) == 4


def test_epochs_are_not_passed_over(toy_config):
  config = toy_config(**{
      "labels.head": "fitted", "few_shot.steps": 60, "few_shot.epochs": 10})
  with pytest.raises(ValueError, match="epochs is 10.*few_shot.steps"):
    label_head.make(config, None)
  config.few_shot.update(steps=0, epochs=0)
  with pytest.raises(ValueError, match="few_shot.steps is 0"):
    label_head.make(config, None)


@pytest.fixture(scope="module")
def with_segmenter(fitted, tmp_path_factory):
  """(config, folder) of the fitted head and an untrained `supervised`."""
  config, fitted_folder, *_ = fitted
  folder = tmp_path_factory.mktemp("both")
  (folder / "label_head").symlink_to(fitted_folder / "label_head")
  network = supervised.make(config, folder)
  save(network, network.init(jax.random.key(3), {}), folder / "supervised")
  return config, folder


def test_agreement_needs_the_baseline(fitted, tmp_path):
  config = fitted[0].copy_and_resolve_references()
  config.distilled.agreement = True
  before = ("gan", "encoder", "label_head")
  for stages in ((*before, "distilled", "supervised"), (*before, "distilled")):
    with pytest.raises(ValueError, match="'distilled' needs.*'supervised'"):
      lineage.check_needs(config, tmp_path, stages)
  lineage.check_needs(
      config, tmp_path, (*before, "supervised", "distilled"))


def test_inversion_takes_the_heads_labels(fitted):
  config, folder, *_ = fitted
  predict = labeling.predictor(config, folder)
  images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
  rows = predict(images, np.arange(4))
  assert list(rows) == ["encoder", "inversion@2", "inversion"]
  for row in rows.values():
    assert row["logits"].shape == (4, 8, 8, 7)
    assert np.all((row["confidence"] > 1 / 7) & (row["confidence"] <= 1))


def test_distilled_pairs_are_the_most_certain_samples(fitted):
  config, folder, *_ = fitted
  half = distilled.pairs(config, folder)
  assert len(half) == 20
  every = config.copy_and_resolve_references()
  every.distilled.keep = 1.0
  whole = distilled.pairs(every, folder)
  assert len(whole) == 40
  images = [whole[i]["image"].tobytes() for i in range(40)]
  chosen = [images.index(half[i]["image"].tobytes()) for i in range(20)]
  assert chosen == sorted(chosen)
  every.distilled.min_probability = 1.1
  label = distilled.pairs(every, folder)[0]["label"]
  assert np.all(label == data.ignore_index(config))


def test_the_score_of_a_fitted_joint_model(fitted, with_segmenter, tmp_path):
  (config, folder, *_), (_, both) = fitted, with_segmenter
  config = config.copy_and_resolve_references()
  config.evaluation.joint_samples = 40  # a batch, and a part of one
  config.stages = ("label_head",)
  assert joint_model.summary(config, folder) == {}
  config.stages = ("fully_supervised", "label_head")
  (tmp_path / "label_head").symlink_to(folder / "label_head")
  (tmp_path / "fully_supervised").symlink_to(both / "supervised")
  result = joint_model.summary(config, tmp_path)["joint_model"]
  sample = distilled.sampler(config, folder)
  image, label, *_ = (
      np.concatenate(x)[:40] for x in zip(*map(sample, range(2)), strict=True))
  predict = segmenter.restored(config, both, "supervised")
  expected = np.mean(predict(image).argmax(-1) == label)
  assert result["samples"] == 40
  np.testing.assert_allclose(result["pixel_accuracy"], expected, atol=1e-6)


def test_distilled_may_keep_only_what_the_segmenter_labels_the_same(
    fitted, with_segmenter):
  config, folder = fitted[0].copy_and_resolve_references(), with_segmenter[1]
  config.distilled.update(keep=1.0, min_probability=0.0, num_samples=8)
  plain = distilled.pairs(config, folder)
  config.distilled.agreement = True
  agreed = distilled.pairs(config, folder)
  predict = segmenter.restored(config, folder, "supervised")
  ignored = 0
  for a, b in ((plain[i], agreed[i]) for i in range(8)):
    np.testing.assert_array_equal(a["image"], b["image"])
    same = predict(a["image"][None]).argmax(-1)[0] == a["label"]
    np.testing.assert_array_equal(b["label"], np.where(
        same, a["label"], data.ignore_index(config)))
    ignored += np.sum(~same)
  assert 0 < ignored < 8 * 64


def test_samples_in_other_styles_keep_their_labels(fitted, with_segmenter):
  config, folder = fitted[0].copy_and_resolve_references(), with_segmenter[1]
  config.distilled.update(keep=1.0, num_samples=8, agreement=True)
  plain = distilled.pairs(config, folder)
  config.distilled.styles = 3.0
  restyled = distilled.pairs(config, folder)
  for a, b in ((plain[i], restyled[i]) for i in range(8)):
    np.testing.assert_array_equal(a["label"], b["label"])
    assert (a["image"] != b["image"]).mean() > 0.5
  config.distilled.styles = -1.0
  with pytest.raises(ValueError, match="config.distilled.styles is -1"):
    distilled.make(config, folder)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_product_of_inversion_and_segmenter(fitted, channels):
  config = fitted[0].copy_and_resolve_references()
  a, b = np.random.default_rng(0).normal(
      0, 2, (2, 1, 4, 4, channels)).astype(np.float32)
  rows = {"inversion": {"logits": a}, "distilled": {"logits": b}}
  probability = lambda x: jax.nn.softmax(
      np.concatenate([0 * x, x], -1) if channels == 1 else x)
  for weight in (0.0, 0.5, 1.0):
    config.evaluation.inversion_weight = weight
    combine = combined.combiner(config, None)
    expected = probability(b) * probability(a) ** weight
    np.testing.assert_allclose(
        jax.nn.softmax(combine(None, None, rows)[combined.ROW]["logits"]),
        expected / expected.sum(-1, keepdims=True), atol=1e-5)
  assert combine(None, None, {"inversion": rows["inversion"]}) == {}
  config.evaluation.inversion_weight = -1.0
  with pytest.raises(ValueError, match="inversion_weight is -1"):
    combined.combiner(config, None)


def test_distilled_trains_on_real_and_drawn_images(fitted, all_finite):
  config, folder, *_ = fitted
  stage = distilled.make(config, folder)
  batch = next(stage.train_data(0))
  assert set(batch) == {"labeled", "synthetic"}
  assert batch["synthetic"]["image"].shape == batch["labeled"]["image"].shape
  state = stage.init(jax.random.key(0), {})
  state, metrics = jax.jit(stage.train_step, static_argnames="phase")(
      state, {}, batch, jax.random.key(0), phase="step")
  all_finite((state, metrics))
  save(stage, state, folder / "distilled")
  image = np.zeros((2, 8, 8, 3), np.uint8)
  rows = segmenter.predictor(
      config, folder, "distilled")(image, np.arange(2))
  assert rows["distilled"]["logits"].shape == (2, 8, 8, 7)


@pytest.mark.parametrize("channels", [1, 3])
def test_heads_are_averaged_and_their_disagreement_is_uncertainty(channels):
  logits = np.random.default_rng(0).normal(
      0, 3, (4, 2, 5, 5, channels)).astype(np.float32)
  two = np.concatenate([logits, 0 * logits], -1) if channels == 1 else logits
  p = np.exp(two) / np.exp(two).sum(-1, keepdims=True)
  mean = feature_segmenter.mean_logits(logits)
  mean = np.concatenate([mean, 0 * mean], -1) if channels == 1 else mean
  np.testing.assert_allclose(jax.nn.softmax(mean), p.mean(0), atol=1e-5)
  entropy = lambda p: -(p * np.log(p)).sum(-1)
  np.testing.assert_allclose(
      feature_segmenter.disagreement(logits),
      entropy(p.mean(0)) - entropy(p).mean(0), atol=1e-4)
  same = np.repeat(logits[:1], 3, 0)
  np.testing.assert_allclose(
      feature_segmenter.disagreement(same), 0, atol=1e-5)


def test_several_heads_from_fit_to_samples(fitted, tmp_path):
  config = fitted[0].copy_and_resolve_references()
  config.labels.heads = 3
  stage = label_head.make(config, tmp_path)
  frozen = stage.load_frozen()
  state = stage.init(jax.random.key(0), frozen)
  step = jax.jit(stage.train_step, static_argnames="phase")
  first = state.segmenter
  for i, batch in enumerate(itertools.islice(stage.train_data(0), 3)):
    state, _ = step(state, frozen, batch, stage.rngs(
        jax.random.key(i), "step"), phase="step")
  for before, after in zip(*map(jax.tree.leaves, (first, state.segmenter)),
                           strict=True):
    assert len(after) == 3
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
  save(stage, state, tmp_path / "label_head")
  image, label, certain, uncertain = distilled.sampler(config, tmp_path)(0)
  assert image.shape[1:] == (8, 8, 3)
  assert label.shape == certain.shape == uncertain.shape == image.shape[:3]
  assert (uncertain > 0).any()
  images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
  rows = labeling.predictor(config, tmp_path)(images, np.arange(4))
  assert rows["inversion"]["logits"].shape == (4, 8, 8, 7)


@pytest.mark.parametrize(("changes", "message"), [
    ({"labels.head": "fitted", "labels.heads": 0, "data.num_labeled": 2},
     "labels.heads is 0"),
    ({"labels.head": "branch"}, "no stage 'label_head'"),
    ({"labels.head": "fitted", "data.num_labeled": 0}, "num_labeled")])
def test_what_cannot_be_fitted_names_the_field(
    toy_config, tmp_path, changes, message):
  with pytest.raises(ValueError, match=message):
    label_head.make(toy_config(**changes), tmp_path)


def test_unknown_head_lists_the_known_ones(toy_config, tmp_path):
  with pytest.raises(ValueError, match="'both'; use one of branch, fitted"):
    gan.make(toy_config(**{"labels.head": "both"}), tmp_path)


def test_another_runs_generator_needs_a_fitted_head(toy_config, tmp_path):
  config = toy_config(**{"labels.run": "there"})
  with pytest.raises(ValueError, match="config.labels.run"):
    generators.load_ema(config, tmp_path, "a test")

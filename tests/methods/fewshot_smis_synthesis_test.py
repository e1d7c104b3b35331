"""Fewshot-SMIS at 16 px: images from layouts, and their scores."""

import json
from unittest import mock

from etils import epath
import jax
import numpy as np
from PIL import Image
import pytest

import semseg_jax
from semseg_jax.cli import synthesize
from semseg_jax.data import errors
from semseg_jax.data import pairs
from semseg_jax.data import transforms
from semseg_jax.evaluation import record as records
from semseg_jax.methods import supervised
from semseg_jax.methods.common import data
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import samples
from semseg_jax.methods.fewshot_smis import shots
from semseg_jax.methods.fewshot_smis import synthesis
from semseg_jax.ops import segmentation_losses
from semseg_jax.studies import synthesis as scoring
from tests.methods import smis
from tests.methods import untrained


@pytest.fixture(scope="module")
def synth(smis_run):
  return synthesis.Synthesizer(*smis_run)


def test_a_search_brings_labels_nearer_to_the_layout(smis_run):
  _, folder = smis_run
  config = smis.config("fitted", **{
      "pseudo.updates": 60, "few_shot.learning_rate": 0.02,
      "synthesis.steps": 20, "synthesis.learning_rate": 0.05})
  layouts = shots.load(config, folder, "a test").label
  search = synthesis.Synthesizer(config, folder)
  plain = synthesis.Synthesizer(smis.config("fitted", **{
      "pseudo.updates": 60, "few_shot.learning_rate": 0.02}), folder)
  params = search.prototypes()
  assert search.prototypes() is params  # a segmenter is fitted once

  def loss(latents):
    _, maps = search.generator.apply(
        generators.load(config, folder, "a test").variables, latents,
        method="synthesize")
    return float(segmentation_losses.cross_entropy(
        search.labeler.logits(params, maps), layouts))

  before, after = plain.encode(layouts), search.encode(layouts)
  assert before.shape == after.shape
  assert loss(after) < loss(before)
  # What is no class does not count, and each layout is searched alone.
  unknown = np.full_like(layouts, 255)
  np.testing.assert_allclose(
      search.encode(unknown), plain.encode(unknown), atol=1e-5)
  np.testing.assert_allclose(search.encode(layouts[1:]), after[1:], atol=1e-3)
  partial = np.where(np.arange(smis.SIZE) < 3, layouts, 255)
  np.testing.assert_allclose(
      search.encode(np.stack([layouts[0], partial[1]]))[0], after[0], atol=1e-3)


def test_an_export_searches_by_the_runs_own_shots(tmp_path):
  run, painted = tmp_path / "run", tmp_path / "painted"
  config = smis.config("fitted", **{
      "stages": ("gan", "shots", "encoder"), "shots.folder": str(painted),
      "pseudo.updates": 40, "few_shot.learning_rate": 0.05,
      "synthesis.steps": 3, "synthesis.learning_rate": 0.5})
  untrained.save(config, run)
  generator = generators.load(config, run, "a test")
  samples.write(generator, data.dataset(config).spec, painted, range(2), 1.0)
  label = np.arange(smis.SIZE ** 2, dtype=np.uint8).reshape(
      smis.SIZE, smis.SIZE)
  for i in range(2):
    Image.fromarray(label // (40 + i)).save(painted / f"{i:06d}_mask.png")
  model = semseg_jax.load(run)
  model.export(tmp_path / "a.safetensors")
  layouts = label[None].astype(np.int32) // 64
  images = model.synthesize(layouts)
  painted.rename(tmp_path / "away")
  other = semseg_jax.load(tmp_path / "a.safetensors")
  np.testing.assert_array_equal(other.synthesize(layouts), images)
  with pytest.raises(errors.DataError, match="painted"):
    model.export(tmp_path / "b.safetensors")


def test_an_export_keeps_its_encoder_beside_another_runs_generator(tmp_path):
  images, run = tmp_path / "images", tmp_path / "run"
  other = untrained.semantic_gan("gan", "encoder", **{"data.num_labeled": 0})
  untrained.save(other, images)
  config = smis.config(**{
      "stages": ("shots", "encoder"), "labels.run": str(images)}).unlock()
  config.generator = other.generator
  untrained.save(config, run)
  model = semseg_jax.load(run)
  model.export(tmp_path / "a.safetensors")
  layouts = np.zeros((1, smis.SIZE, smis.SIZE), np.int32)
  np.testing.assert_array_equal(
      semseg_jax.load(tmp_path / "a.safetensors").synthesize(layouts),
      model.synthesize(layouts))


def test_an_export_needs_no_data_set(tmp_path, monkeypatch):
  config = smis.config("fitted", **{
      "stages": ("gan", "shots", "encoder"), "pseudo.updates": 2,
      "synthesis.steps": 1})
  untrained.save(config, tmp_path / "run")
  semseg_jax.load(tmp_path / "run").export(tmp_path / "a.safetensors")
  model = semseg_jax.load(tmp_path / "a.safetensors")

  def absent(*_):
    raise errors.DataError("no data set")

  monkeypatch.setattr(data, "_open", absent)
  monkeypatch.setattr(data, "_load", absent)
  layouts = np.full((1, smis.SIZE, smis.SIZE), 255, np.int32)
  layouts[0, :4] = 1
  assert model.synthesize(layouts).shape == (1, 1, smis.SIZE, smis.SIZE, 3)


@pytest.mark.parametrize(("labeling", "steps", "message"), [
    ("dense", 3, "config.synthesis.steps is 3.*'fitted'"),
    ("fitted", -1, "config.synthesis.steps is -1")])
def test_a_search_that_cannot_be(smis_run, labeling, steps, message):
  with pytest.raises(ValueError, match=message):
    synthesis.Synthesizer(
        smis.config(labeling, **{"synthesis.steps": steps}), smis_run[1])


def test_mixing_changes_the_chosen_codes_alone(synth):
  layout = np.zeros((3, smis.SIZE, smis.SIZE), np.int32)
  layout[1:, 4:] = 2
  latents = synth.encode(layout)
  assert latents.shape == (3, 6, 8)
  np.testing.assert_allclose(latents[1], latents[2], rtol=1e-5, atol=1e-6)
  mix = lambda **k: synth.mixed(latents, jax.random.key(0), **k)
  plain = mix(styles=())
  np.testing.assert_array_equal(plain, mix(styles=range(6), alpha=0.0))
  np.testing.assert_array_equal(plain, mix(styles=range(6, 18)))
  assert (plain != mix(styles=(4, 5))).any()
  # A random latent for each image: equal layouts get different images.
  many = mix(styles=range(6))
  assert (many[1] != many[2]).any()
  assert synth.render(latents).shape == (3, smis.SIZE, smis.SIZE, 3)


def test_style_texts():
  assert synthesis.parse_styles("8-10,3") == (8, 9, 10, 3)
  assert synthesis.parse_styles("") == ()
  for text in ("a", "3-", "-3", "1-b", "17-8", "²"):
    with pytest.raises(ValueError, match="give indices and rising ranges"):
      synthesis.parse_styles(text)


def test_styles_of_no_latent_are_refused(smis_run, tmp_path):
  config, folder = smis_run
  with pytest.raises(ValueError, match=r"--styles.* 90 to 99: .* 0 to 5"):
    synthesize.write_pairs(config, folder, out=tmp_path, count=1,
                           styles=range(90, 100), alpha=1.0, seed=0)
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("value", "dtype", "message"), [
    (99, int, "layout 1 holds 99; give class indices, 0 to 6"),
    (-1, int, "layout 1 holds -1"), (255, np.int8, "layout 1 holds -1"),
    (0.5, float, "layouts are float64"), (1, bool, "layouts are bool")])
def test_what_is_no_class_is_refused(synth, value, dtype, message):
  layouts = np.zeros((2, smis.SIZE, smis.SIZE), dtype)
  layouts[1, 3] = np.asarray(value).astype(dtype)
  with pytest.raises((TypeError, ValueError), match=message):
    synth.encode(layouts)


def test_layouts_of_any_integers_and_ignored_pixels(synth):
  layouts = np.zeros((1, smis.SIZE, smis.SIZE), np.uint8)
  layouts[:, :4] = 255
  np.testing.assert_array_equal(
      synth.encode(layouts), synth.encode(layouts.astype(np.int64)))


def test_masks_become_images(smis_run, tmp_path):
  config, folder = smis_run
  masks = tmp_path / "masks"
  masks.mkdir()
  for i, size in enumerate((16, 40, 16)):
    Image.fromarray(np.full((size, size), i, np.uint8)).save(
        masks / f"m{i}.png")
  out = tmp_path / "new/images"
  images = synthesize.synthesize(
      config, folder, out=out, styles=(4, 5), alpha=0.5, samples=2,
      seed=0, layouts=synthesize.layouts_of(config, masks=masks, points=None))
  assert list(images) == ["m0", "m1", "m2"]
  assert images["m1"].shape == (3, smis.SIZE, smis.SIZE, 3)
  for name in ("m2_0.png", "m2_2.png", "grid.png", "pseudo_labels.png"):
    assert (out / name).exists(), name


def test_layouts_of_sub_folders(tmp_path, monkeypatch):
  synth = mock.Mock()
  synth.render.return_value = np.zeros((2, smis.SIZE, smis.SIZE, 3), np.uint8)
  monkeypatch.setattr(synthesize.synthesis, "Synthesizer", lambda *_: synth)
  monkeypatch.setattr(
      synthesize.scoring, "save_pseudo_labels", lambda *_: None)
  layout = np.zeros((smis.SIZE, smis.SIZE), np.int32)
  out = epath.Path(tmp_path) / "images"
  synthesize.synthesize(
      smis.config(), tmp_path, out=out, styles=(), alpha=1.0, samples=0,
      seed=0, layouts=lambda _: {"sub/a": layout, "b": layout})
  for name in ("sub/a_0.png", "b_0.png", "grid.png"):
    assert (out / name).exists(), name


def test_without_a_run_no_folder_is_left(tmp_path):
  out = tmp_path / "images"
  with pytest.raises(FileNotFoundError, match="stage 'gan'"):
    synthesize.synthesize(
        smis.config(), tmp_path, out=out, layouts=None, styles=(), alpha=1.0,
        samples=1, seed=0)
  assert not out.exists()


def test_pairs_are_not_mixed_with_others(tmp_path):
  (tmp_path / "masks").mkdir()
  for name in ("000002.png", "000003.png"):
    (tmp_path / "masks" / name).write_bytes(b"of an earlier call")
  with pytest.raises(ValueError, match=r"masks has 1 other files.*000003\.png"):
    synthesize.write_pairs(smis.config(), tmp_path, out=tmp_path,
                           count=3, styles=(), alpha=1.0, seed=0)


def test_pairs_train_the_baseline(smis_run, tmp_path):
  config, folder = smis_run
  synthesize.write_pairs(config, folder, out=tmp_path, count=5, styles=(4, 5),
                         alpha=1.0, seed=0)
  assert len(pairs.Pairs(tmp_path, 3, 7, 255)) == 5
  config = smis.config(**{"data.num_labeled": 2,
                        "supervised.synthetic": str(tmp_path)})
  made = supervised.make(config, folder)
  batch = next(made.train_data(0))
  assert batch["synthetic"]["image"].shape == batch["labeled"]["image"].shape
  state = jax.eval_shape(made.init, jax.random.key(0), None)
  after, _ = jax.eval_shape(
      lambda s, b: made.train_step(
          s, {}, b, jax.random.key(1), phase="step"), state, batch)
  assert after.step.shape == ()


def test_scores_stand_beside_their_references(smis_run, capsys, monkeypatch):
  config, folder = smis_run
  resize = transforms.resize_label

  def with_ignored(label, size):
    label = resize(label, size).copy()
    label[:2] = 255
    return label

  monkeypatch.setattr(transforms, "resize_label", with_ignored)
  rows = scoring.evaluate(config, folder)
  by_name = {r["images of"]: r for r in rows}
  assert list(by_name) == [
      "synthesis", "synthesis, random styles", "random sample",
      "nearest shot", "real image", "sample, its own pseudo label"]
  floor, ceiling = (
      by_name[x]["miou"] for x in ("random sample", "real image"))
  for row in rows:
    assert row["random_feature_frechet"] >= 0
    assert row["share"] == (None if ceiling <= floor else pytest.approx(
        (row["miou"] - floor) / (ceiling - floor)))
  for name in ("grid.png", "pseudo_labels.png"):
    assert (folder / "synthesis/test" / name).exists(), name
  assert not (folder / "eval").exists()  # that is for `eval`
  record = records.load(folder / "synthesis/eval/test")
  records.check_config(
      folder, record.config, json.loads(config.to_json_best_effort()))
  assert {k: v["miou"] for k, v in record.methods.items()} == {
      k: v["miou"] for k, v in by_name.items()}
  assert "nearest shot" in capsys.readouterr().out


def test_study_of_scribbles_judges_pseudo_labels(smis_run):
  _, folder = smis_run
  config = smis.config("sparse", **{"encoder.steps": 0})
  few, many, none = scoring.study(
      config, folder, ks=[1, 8], thresholds=[0.0]) + scoring.study(
          config, folder, ks=[1], thresholds=[1.1])
  assert 0 < few["labeled"] < many["labeled"]
  assert many["label_miou"] > 0
  assert none == {"layer": "conv16", "k": 1, "threshold": 1.1,
                  "labeled": 0.0, "label_accuracy": None, "label_miou": None}


@pytest.mark.slow
def test_study_of_layers_judges_and_trains(smis_run):
  _, folder = smis_run
  config = smis.config()
  rows = scoring.study(config, folder, layers=["conv4"])
  assert [r["layer"] for r in rows] == ["conv4"]
  for row in rows:
    assert row["labeled"] == 1
  assert (folder / "study/conv4/encoder/DONE").exists()
  with pytest.raises(ValueError, match="'conv99'"):
    scoring.study(config, folder, layers=["conv99"])


def test_what_is_missing_is_named(smis_run, tmp_path):
  config, folder = smis_run
  with pytest.raises(FileNotFoundError, match="stage 'gan'"):
    synthesis.Synthesizer(config, tmp_path)
  with pytest.raises(FileNotFoundError, match="stage 'shots'"):
    shots.load(config, tmp_path, "a test")
  with pytest.raises(ValueError, match="either --masks"):
    synthesize.layouts_of(config, masks=None, points=None)
  with pytest.raises(ValueError, match="landmarks need"):
    synthesize.layouts_of(config, masks=None, points="a.csv")
  with pytest.raises(ValueError, match="--pairs needs whole masks"):
    synthesize.write_pairs(smis.config("sparse"), folder, out=tmp_path, count=1,
                           styles=(), alpha=1.0, seed=0)

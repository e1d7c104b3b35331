"""Fewshot-SMIS at 16 px: shots, pseudo labels, encoder, and refusals."""

import json

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

from semseg_jax import inversion
from semseg_jax.cli import sample
from semseg_jax.data import annotations
from semseg_jax.methods.common import data
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import networks
from semseg_jax.methods.common import perceptual
from semseg_jax.methods.common import samples
from semseg_jax.methods.fewshot_smis import encoder
from semseg_jax.methods.fewshot_smis import pseudo_labels
from semseg_jax.methods.fewshot_smis import shots
from semseg_jax.training import loop
from semseg_jax.training import run_dir
from tests.methods import smis


def test_the_run_leaves_latents_samples_and_scores(smis_run):
  config, folder = smis_run
  loaded = shots.load(config, folder, "a test")
  assert loaded.latents.shape == (2, 6, 8)
  assert loaded.image.shape == (2, smis.SIZE, smis.SIZE, 3)
  assert {p.name.split("_0")[0] for p in (folder / "encoder/samples").glob(
      "*.png")} == {"pairs", "shots", "synthesis"}
  last = [json.loads(x) for x in (
      folder / "encoder/metrics.jsonl").read_text().splitlines()][-1]
  assert last["val/score"] == -last["val/latent"]


def test_a_segmenter_fitted_to_the_shots_labels_samples(smis_run):
  _, folder = smis_run
  config = smis.config("fitted", **{
      "pseudo.updates": 60, "few_shot.learning_rate": 0.02,
      "few_shot.steps": 0})  # which are not used
  generator = generators.load(config, folder, "a test")
  known = shots.load(config, folder, "a test")
  labeler = pseudo_labels.make(config, generator.module)
  fit = lambda: pseudo_labels.prototypes_of(
      config, generator, labeler, known.latents, known.label)
  params = fit()
  jax.tree.map(np.testing.assert_array_equal, params, fit())  # resumable
  shapes = pseudo_labels.prototype_shapes(generator, labeler, jnp.zeros(
      known.latents.shape))
  assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, shapes)
  _, maps = generator.module.apply(
      generator.variables, known.latents, method="synthesize")
  label = np.asarray(labeler.label(params, maps))
  assert label.shape == known.label.shape
  share = np.bincount(known.label.ravel()).max() / label.size
  assert (label == known.label).mean() > share + 0.02
  stage = encoder.make(config, folder)
  frozen = stage.load_frozen()
  state, metrics = jax.jit(stage.train_step, static_argnames="phase")(
      stage.init(jax.random.key(0), frozen), frozen, {},
      stage.rngs(jax.random.key(1), "step"), phase="step")
  assert np.isfinite(metrics["loss"])
  coarse = smis.config("fitted", **{"hypercolumn.size": smis.SIZE // 2})
  labeler = pseudo_labels.make(coarse, generator.module)
  params = pseudo_labels.prototypes_of(
      coarse, generator, labeler, known.latents, known.label)
  assert labeler.label(params, maps).shape == (
      2, smis.SIZE // 2, smis.SIZE // 2)


@pytest.mark.parametrize(("field", "value"), [
    ("hypercolumn.size", 2 * smis.SIZE), ("hypercolumn.size", 5),
    ("hypercolumn.size", -4), ("pseudo.updates", 0)])
def test_a_fitted_segmenter_that_cannot_be(field, value):
  config = smis.config("fitted", **{field: value})
  with pytest.raises(ValueError, match=f"config.{field} is {value}"):
    pseudo_labels.make(config, generators.module(config))


def test_a_map_larger_than_the_annotations():
  config = smis.config(**{"data.size": 512, "pseudo.layer": "conv512"})
  with pytest.raises(ValueError, match="config.pseudo.layer is 'conv512'"):
    pseudo_labels.make(config, generators.module(config))


def test_no_limit_means_the_whole_split(smis_run):
  config, _ = smis_run
  source = data.evaluation_source(config, "val")
  assert len(encoder.annotated(config, smis.SIZE, 0, "val")[0]) == len(source)


def test_unknown_choice_of_the_best(smis_run):
  with pytest.raises(ValueError, match="config.encoder.select is 'luck'"):
    encoder.make(smis.config(**{"encoder.select": "luck"}), smis_run[1])


@pytest.mark.slow
def test_the_best_may_be_nearest_to_the_images(smis_run, stage):
  _, folder = smis_run
  _, frozen, state, _ = stage
  metrics = encoder.make(smis.config(**{"encoder.select": "images"}),
                         folder).validate(state, frozen)
  np.testing.assert_allclose(
      metrics["val/score"],
      -metrics["val/mse"] - 0.8 * metrics["val/perceptual"],
      rtol=1e-5)


def test_inversion_is_not_done_twice(smis_run, monkeypatch):
  config, folder = smis_run
  monkeypatch.setattr(inversion.Inverter, "run", None)
  before = shots.load(config, folder, "a test").latents
  again = lambda config: shots.make(config, folder).load_frozen()["latents"]
  np.testing.assert_array_equal(again(config), before)
  moved = smis.config(**{"data.data_dir": str(folder), "data.in_domain": "val"})
  np.testing.assert_array_equal(again(moved), before)
  read = shots.read
  monkeypatch.setattr(shots, "read", lambda config: read(config)._replace(
      image=255 - read(config).image))
  with pytest.raises(ValueError, match="another image now"):
    again(config)


def test_the_order_of_the_shots_is_kept(tmp_path):
  made = shots.Shots(("b", "a"), np.stack([
      np.full((8, 8, 3), x, np.uint8) for x in (9, 200)]), None, None)
  run_dir.write_json(tmp_path / "images.json", shots.small_copies(made))
  shots.check(tmp_path, made)
  with pytest.raises(ValueError, match="in another order"):
    shots.check(tmp_path, made._replace(
        ids=made.ids[::-1], image=made.image[::-1]))


@pytest.fixture(scope="module")
def stage(smis_run):
  """(stage, frozen, first state, jitted step)."""
  made = encoder.make(*smis_run)
  frozen = made.load_frozen()
  state = jax.jit(made.init)(jax.random.key(1), frozen)
  return made, frozen, state, jax.jit(
      made.train_step, static_argnames="phase")


def test_a_step_asks_for_the_latents_of_its_own_samples(smis_run, stage):
  config, _ = smis_run
  made, frozen, state, step = stage
  rngs = made.rngs(jax.random.key(3), "step")
  after, metrics = step(state, frozen, {}, rngs, phase="step")
  generator = generators.module(config)
  labeler = pseudo_labels.make(config, generator)
  module = encoder.network(config, generator)

  @jax.jit
  def expected():
    pair = encoder.pairs(generator, labeler, frozen["generator"],
                         frozen["prototypes"], rngs, smis.SIZE)
    latents, _ = module.apply(
        state.encoder, encoder.onehot(pair.label, 7), train=True,
        mutable=["batch_stats"])
    return pair, latents

  pair, latents = expected()
  assert pair.label.shape == (2, smis.SIZE, smis.SIZE)
  np.testing.assert_allclose(
      metrics["loss"], np.square(latents - pair.latents[:, None]).mean(),
      rtol=1e-4)
  assert after.step == 1
  np.testing.assert_array_equal(
      after.encoder["mean"]["latents"], state.encoder["mean"]["latents"])
  # The mean latent is where the encoder begins.
  np.testing.assert_array_equal(
      state.encoder["mean"]["latents"], frozen["mean"])


def test_training_lowers_the_loss(stage):
  made, frozen, state, step = stage
  rngs = made.rngs(jax.random.key(3), "step")
  losses = []
  for _ in range(25):
    state, metrics = step(state, frozen, {}, rngs, phase="step")
    losses.append(float(metrics["loss"]))
  assert losses[-1] < 0.97 * losses[0], losses  # always the same rngs


def test_sampled_shots_come_with_their_latents(smis_run, tmp_path):
  config, folder = smis_run
  sample.write(config, folder, out=tmp_path, n=3)
  config = smis.config(**{"shots.folder": str(tmp_path)})
  with pytest.raises(ValueError, match="no image has a mask"):
    shots.read(config)
  for name in ("000000", "000002"):
    Image.fromarray(np.ones((smis.SIZE, smis.SIZE), np.uint8)).save(
        tmp_path / f"{name}_mask.png")
  loaded = shots.read(config)
  assert loaded.ids == ("000000", "000002")
  assert (loaded.label == 1).all()
  run = tmp_path / "run"
  run.mkdir()
  (run / "gan").symlink_to(folder / "gan")
  train = lambda: loop.train(
      shots.make(config, run), workdir=run / "shots",
      options=loop.LoopOptions(), key=jax.random.key(0)).latents
  latents = train()
  sampled = samples.draw(generators.load(config, folder, "a test"), [0, 2], 1.0)
  np.testing.assert_array_equal(latents, sampled.latents)
  np.testing.assert_array_equal(loaded.image, sampled.image)
  np.testing.assert_array_equal(train(), latents)
  (tmp_path / "000000_mask.png").rename(tmp_path / "000001_mask.png")
  for read in (train, lambda: shots.load(config, run, "a test")):
    with pytest.raises(ValueError, match=(
        "no mask any more of 000000; new masks of 000001.*delete .*shots")):
      read()
  (tmp_path / "000001_mask.png").rename(tmp_path / "000000_mask.png")
  assert shots.load(config, run, "a test").ids == loaded.ids
  (tmp_path / "000001.png").replace(tmp_path / "000000.png")
  with pytest.raises(ValueError, match="another image now 000000"):
    shots.load(config, run, "a test")


def test_painted_shots_need_no_data_set(smis_run, tmp_path):
  config, folder = smis_run
  sample.write(config, folder, out=tmp_path, n=1)
  painted = smis.config(**{"shots.folder": str(tmp_path), "data.name": ""})
  np.testing.assert_array_equal(
      encoder.annotation_colors(painted), encoder.annotation_colors(config))
  assert encoder.make(painted, None).validate is None
  numbered = smis.config(**{"data.name": ""})
  assert encoder.annotation_colors(numbered).shape == (7, 3)


def test_shots_label_themselves_by_the_nearest_cell(smis_run):
  _, folder = smis_run
  config = smis.config("nearest", **{"pseudo.layer": "conv16"})
  label = shots.load(config, folder, "a test").label
  generator = generators.load(config, folder, "a test")
  labeler = pseudo_labels.make(config, generator.module)
  # Latents of inversion are still close to each other.
  latents = jax.random.normal(jax.random.key(0), (2, 6, 8))
  fitted = pseudo_labels.prototypes_of(
      config, generator, labeler, latents, label)
  assert len(fitted.classes) == 2 * 16 * 16
  maps = {"conv16": fitted.vectors.reshape(2, 16, 16, -1)}
  assert (labeler.label(fitted, maps) == label).mean() > 0.95


def test_a_class_that_no_shot_shows_labels_nothing():
  config = smis.config("dense", **{"pseudo.layer": "conv16"})
  labeler = pseudo_labels.make(config, networks.generator(config))
  features = np.ones((1, 16, 16, 4), np.float32)
  fitted = labeler.fit({"conv16": features}, np.full((1, 16, 16), 2))
  assert (labeler.label(fitted, {"conv16": -features}) == 2).all()


@pytest.mark.parametrize("kind", ["scribbles", "points"])
def test_partial_shots_mark_whole_cells(kind):
  config = smis.config("sparse", **{"shots.annotation": kind})
  loaded = shots.read(config)
  assert loaded.label.max() <= 7
  assert 0 < (loaded.label > 0).mean() < 0.5
  assert pseudo_labels.annotation_classes(config) == 8
  assert len(encoder.annotation_colors(config)) == 8
  assert kind in annotations.KINDS


def test_ignored_pixels_are_no_class():
  label = np.array([[0, 255], [1, 1]], np.uint8).repeat(8, 0).repeat(8, 1)
  dense = shots.annotate(smis.config(), label, 16, 0)
  assert set(np.unique(dense)) == {-1, 0, 1}
  sparse = smis.config("sparse", **{"shots.annotation": "mask"})
  assert set(np.unique(shots.annotate(sparse, label, 16, 0))) == {0, 1}


@pytest.mark.parametrize(("changes", "said"), [
    ({"pseudo.labeling": "rough"}, "config.pseudo.labeling is 'rough'"),
    ({"shots.annotation": "points"}, "needs whole masks"),
    ({"pseudo.labeling": "nearest", "shots.annotation": "points"},
     "is 'nearest', which needs whole masks"),
    ({"pseudo.layer": "conv64"}, "config.pseudo.layer is 'conv64'.*conv16_up"),
    ({"pseudo.labeling": "sparse", "pseudo.k": 0}, "config.pseudo.k is 0"),
    ({"shots.best_every": 9}, "best_every is 9"),
])
def test_refusals_name_the_field(changes, said, tmp_path):
  with pytest.raises(ValueError, match=said):
    shots.make(smis.config(**changes), tmp_path)


@pytest.mark.parametrize(("changes", "said"), [
    ({"shots.annotation": "oil"}, "config.shots.annotation is 'oil'"),
    ({"shots.count": 0}, "config.shots.count is 0"),
])
def test_bad_shots_name_the_field(changes, said):
  with pytest.raises(ValueError, match=said):
    shots.read(smis.config("sparse", **changes))


def test_perceptual_distance_takes_any_number_of_images(smis_run):
  distance = perceptual.make(*smis_run, "a test")
  variables = distance.load()
  images = jax.random.uniform(
      jax.random.key(0), (5, smis.SIZE, smis.SIZE, 3), minval=-1)
  features = jax.jit(distance.features)
  five = features(variables, images)
  assert all(len(f) == 5 for f in five)
  jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b[:2], rtol=1e-4, atol=1e-5),
      features(variables, jnp.asarray(images[:2])), five)

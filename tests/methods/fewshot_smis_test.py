"""Fewshot-SMIS at 16 px: its stages, synthesis, scores and refusals."""

import json

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

from configs.fewshot_smis import toy_faces
from semseg_jax import experiment
from semseg_jax import inversion
from semseg_jax.cli import sample
from semseg_jax.cli import synthesize
from semseg_jax.data import annotations
from semseg_jax.data import pairs
from semseg_jax.data import transforms
from semseg_jax.evaluation import record as records
from semseg_jax.methods import gan
from semseg_jax.methods import supervised
from semseg_jax.methods.common import data
from semseg_jax.methods.common import generator as trained
from semseg_jax.methods.common import perceptual
from semseg_jax.methods.common import samples
from semseg_jax.methods.fewshot_smis import encoder
from semseg_jax.methods.fewshot_smis import pseudo_labels
from semseg_jax.methods.fewshot_smis import shots
from semseg_jax.methods.fewshot_smis import synthesis
from semseg_jax.ops import segmentation_losses
from semseg_jax.studies import synthesis as scoring
from semseg_jax.training import checkpoint

SIZE = 16


def config_of(labeling="dense", **changes):
  c = toy_faces.get_config(f"shots=2,labeling={labeling},smoke")
  c.data.update(size=SIZE, num_unlabeled=16)
  c.generator.update(style_dim=8, mlp_layers=1, max_channels=4)
  c.image_discriminator.max_channels = 4
  c.supervised.update(levels=1, steps=2)
  c.encoder.update(widths=(2, 3, 4, 5), steps=2)
  c.monitor.samples = 8
  c.evaluation.limit = 3
  c.synthesis.update(styles="2-9", samples=1)
  c.log.update(log_every=1, sample_every=2, eval_every=2, checkpoint_every=2)
  c.update_from_flattened_dict(changes)
  return c.lock()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """(config, folder) of a dense run on an untrained generator."""
  config, folder = config_of(), tmp_path_factory.mktemp("smis")
  stage = gan.make(config, folder)
  with checkpoint.Checkpoints(folder / "gan/ckpt") as checkpoints:
    checkpoints.save(1, jax.jit(stage.init)(jax.random.key(0), {}), {})
  experiment.run(experiment.train, config, folder,
                 only=["shots", "encoder", "fully_supervised"])
  return config, folder


@pytest.fixture(scope="module")
def synth(run):
  return synthesis.Synthesizer(*run)


def test_the_run_leaves_latents_samples_and_scores(run):
  config, folder = run
  loaded = shots.load(config, folder, "a test")
  assert loaded.latents.shape == (2, 6, 8)
  assert loaded.image.shape == (2, SIZE, SIZE, 3)
  assert {p.name.split("_0")[0] for p in (folder / "encoder/samples").glob(
      "*.png")} == {"pairs", "shots", "synthesis"}
  last = [json.loads(x) for x in (
      folder / "encoder/metrics.jsonl").read_text().splitlines()][-1]
  assert last["val/score"] == -last["val/latent"]


def test_a_segmenter_fitted_to_the_shots_labels_samples(run):
  _, folder = run
  config = config_of("fitted", **{
      "pseudo.updates": 60, "few_shot.learning_rate": 0.02})
  generator = trained.load(config, folder, "a test")
  known = shots.load(config, folder, "a test")
  labeller = pseudo_labels.make(config, generator.module)
  fit = lambda: pseudo_labels.prototypes_of(
      config, generator, labeller, known.latents, known.label)
  params = fit()
  jax.tree.map(np.testing.assert_array_equal, params, fit())  # resumable
  shapes = pseudo_labels.prototype_shapes(generator, labeller, jnp.zeros(
      known.latents.shape))
  assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, shapes)
  _, maps = generator.module.apply(
      generator.variables, known.latents, method="synthesize")
  label = np.asarray(labeller.label(params, maps))
  assert label.shape == known.label.shape
  share = np.bincount(known.label.ravel()).max() / label.size
  assert (label == known.label).mean() > share + 0.02
  stage = encoder.make(config, folder)
  frozen = stage.load_frozen()
  state, metrics = jax.jit(stage.train_step, static_argnames="phase")(
      stage.init(jax.random.key(0), frozen), frozen, {},
      stage.rngs(jax.random.key(1), "step"), phase="step")
  assert np.isfinite(metrics["loss"])
  coarse = config_of("fitted", **{"hypercolumn.size": SIZE // 2})
  labeller = pseudo_labels.make(coarse, generator.module)
  params = pseudo_labels.prototypes_of(
      coarse, generator, labeller, known.latents, known.label)
  assert labeller.label(params, maps).shape == (2, SIZE // 2, SIZE // 2)


def test_a_search_brings_labels_nearer_to_the_layout(run):
  _, folder = run
  config = config_of("fitted", **{
      "pseudo.updates": 60, "few_shot.learning_rate": 0.02,
      "synthesis.steps": 20, "synthesis.learning_rate": 0.05})
  layouts = shots.load(config, folder, "a test").label
  search = synthesis.Synthesizer(config, folder)
  plain = synthesis.Synthesizer(config_of("fitted", **{
      "pseudo.updates": 60, "few_shot.learning_rate": 0.02}), folder)
  params = search.prototypes()

  def loss(latents):
    _, maps = search.generator.apply(
        trained.load(config, folder, "a test").variables, latents,
        method="synthesize")
    return float(segmentation_losses.cross_entropy(
        search.labeller.logits(params, maps), layouts))

  before, after = plain.encode(layouts), search.encode(layouts)
  assert before.shape == after.shape
  assert loss(after) < loss(before)
  # What is no class does not count, and each layout is searched alone.
  unknown = np.full_like(layouts, 255)
  np.testing.assert_allclose(
      search.encode(unknown), plain.encode(unknown), atol=1e-5)
  np.testing.assert_allclose(search.encode(layouts[1:]), after[1:], atol=1e-3)
  partial = np.where(np.arange(SIZE) < 3, layouts, 255)
  np.testing.assert_allclose(
      search.encode(np.stack([layouts[0], partial[1]]))[0], after[0], atol=1e-3)


@pytest.mark.parametrize(("labeling", "steps", "message"), [
    ("dense", 3, "config.synthesis.steps is 3.*'fitted'"),
    ("fitted", -1, "config.synthesis.steps is -1")])
def test_a_search_that_cannot_be(run, labeling, steps, message):
  with pytest.raises(ValueError, match=message):
    synthesis.Synthesizer(
        config_of(labeling, **{"synthesis.steps": steps}), run[1])


@pytest.mark.parametrize(("field", "value"), [
    ("hypercolumn.size", 2 * SIZE), ("hypercolumn.size", 5),
    ("hypercolumn.size", -4), ("pseudo.updates", 0)])
def test_a_fitted_segmenter_that_cannot_be(field, value):
  config = config_of("fitted", **{field: value})
  with pytest.raises(ValueError, match=f"config.{field} is {value}"):
    pseudo_labels.make(config, trained.module(config))


def test_a_map_larger_than_the_annotations():
  config = config_of(**{"data.size": 512, "pseudo.layer": "conv512"})
  with pytest.raises(ValueError, match="config.pseudo.layer is 'conv512'"):
    pseudo_labels.make(config, trained.module(config))


def test_no_limit_means_the_whole_split(run):
  source = data.evaluation_source(run[0], "val")
  assert len(encoder.annotated(run[0], SIZE, 0, "val")[0]) == len(source)


def test_unknown_choice_of_the_best(run):
  with pytest.raises(ValueError, match="config.encoder.select is 'luck'"):
    encoder.make(config_of(**{"encoder.select": "luck"}), run[1])


@pytest.mark.slow
def test_the_best_may_be_nearest_to_the_images(run, stage):
  _, folder = run
  _, frozen, state, _ = stage
  metrics = encoder.make(config_of(**{"encoder.select": "images"}),
                         folder).validate(state, frozen)
  np.testing.assert_allclose(
      metrics["val/score"],
      -metrics["val/mse"] - 0.8 * metrics["val/perceptual"],
      rtol=1e-5)


def test_inversion_is_not_done_twice(run, monkeypatch):
  config, folder = run
  monkeypatch.setattr(inversion.Inverter, "run", None)
  before = shots.load(config, folder, "a test").latents
  again = lambda config: shots.make(config, folder).load_frozen()["latents"]
  np.testing.assert_array_equal(again(config), before)
  moved = config_of(**{"data.data_dir": str(folder), "data.in_domain": "val"})
  np.testing.assert_array_equal(again(moved), before)
  read = shots.read
  monkeypatch.setattr(shots, "read", lambda config: read(config)._replace(
      image=255 - read(config).image))
  with pytest.raises(TypeError):  # other images are inverted
    again(config)


@pytest.fixture(scope="module")
def stage(run):
  """(stage, frozen, first state, jitted step)."""
  made = encoder.make(*run)
  frozen = made.load_frozen()
  state = jax.jit(made.init)(jax.random.key(1), frozen)
  return made, frozen, state, jax.jit(
      made.train_step, static_argnames="phase")


def test_a_step_asks_for_the_latents_of_its_own_samples(run, stage):
  config, _ = run
  made, frozen, state, step = stage
  rngs = made.rngs(jax.random.key(3), "step")
  after, metrics = step(state, frozen, {}, rngs, phase="step")
  generator = trained.module(config)
  labeller = pseudo_labels.make(config, generator)
  module = encoder.network(config, generator)

  @jax.jit
  def expected():
    pair = encoder.pairs(generator, labeller, frozen["generator"],
                         frozen["prototypes"], rngs, SIZE)
    latents, _ = module.apply(
        state.encoder, encoder.onehot(pair.label, 7), train=True,
        mutable=["batch_stats"])
    return pair, latents

  pair, latents = expected()
  assert pair.label.shape == (2, SIZE, SIZE)
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


def test_mixing_changes_the_chosen_codes_alone(synth):
  layout = np.zeros((3, SIZE, SIZE), np.int32)
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
  assert synth.render(latents).shape == (3, SIZE, SIZE, 3)


def test_style_texts():
  assert synthesis.parse_styles("8-10,3") == (8, 9, 10, 3)
  assert synthesis.parse_styles("") == ()
  for text in ("a", "3-", "-3", "1-b"):
    with pytest.raises(ValueError, match="give indices and ranges"):
      synthesis.parse_styles(text)


def test_styles_of_no_latent_are_refused(run, tmp_path):
  config, folder = run
  with pytest.raises(ValueError, match=r"--styles.* 90 to 99: .* 0 to 5"):
    synthesize.write_pairs(config, folder, out=tmp_path, count=1,
                           styles=range(90, 100), alpha=1.0, seed=0)
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("value", "dtype", "message"), [
    (99, int, "layout 1 holds 99; give class indices, 0 to 6"),
    (-1, int, "layout 1 holds -1"), (255, np.int8, "layout 1 holds -1"),
    (0.5, float, "layouts are float64"), (1, bool, "layouts are bool")])
def test_what_is_no_class_is_refused(synth, value, dtype, message):
  layouts = np.zeros((2, SIZE, SIZE), dtype)
  layouts[1, 3] = np.asarray(value).astype(dtype)
  with pytest.raises((TypeError, ValueError), match=message):
    synth.encode(layouts)


def test_layouts_of_any_integers_and_ignored_pixels(synth):
  layouts = np.zeros((1, SIZE, SIZE), np.uint8)
  layouts[:, :4] = 255
  np.testing.assert_array_equal(
      synth.encode(layouts), synth.encode(layouts.astype(np.int64)))


def test_masks_become_images(run, tmp_path):
  config, folder = run
  masks = tmp_path / "masks"
  masks.mkdir()
  for i, size in enumerate((16, 40, 16)):
    Image.fromarray(np.full((size, size), i, np.uint8)).save(
        masks / f"m{i}.png")
  images = synthesize.synthesize(
      config, folder, out=tmp_path, styles=(4, 5), alpha=0.5, samples=2,
      seed=0, layouts=synthesize.layouts_of(config, masks=masks, points=None))
  assert list(images) == ["m0", "m1", "m2"]
  assert images["m1"].shape == (3, SIZE, SIZE, 3)
  for name in ("m2_0.png", "m2_2.png", "grid.png", "pseudo_labels.png"):
    assert (tmp_path / name).exists(), name


def test_pairs_are_not_mixed_with_others(tmp_path):
  (tmp_path / "masks").mkdir()
  for name in ("000002.png", "000003.png"):
    (tmp_path / "masks" / name).write_bytes(b"of an earlier call")
  with pytest.raises(ValueError, match=r"masks has 1 other files.*000003\.png"):
    synthesize.write_pairs(config_of(), tmp_path, out=tmp_path,
                           count=3, styles=(), alpha=1.0, seed=0)


def test_pairs_train_the_baseline(run, tmp_path):
  config, folder = run
  synthesize.write_pairs(config, folder, out=tmp_path, count=5, styles=(4, 5),
                         alpha=1.0, seed=0)
  assert len(pairs.Pairs(tmp_path, 3, 7, 255)) == 5
  config = config_of(**{"data.num_labeled": 2,
                        "supervised.synthetic": str(tmp_path)})
  made = supervised.make(config, folder)
  batch = next(made.train_data(0))
  assert batch["synthetic"]["image"].shape == batch["labeled"]["image"].shape
  state = jax.eval_shape(made.init, jax.random.key(0), None)
  after, _ = jax.eval_shape(
      lambda s, b: made.train_step(
          s, {}, b, jax.random.key(1), phase="step"), state, batch)
  assert after.step.shape == ()


def test_sampled_shots_come_with_their_latents(run, tmp_path):
  config, folder = run
  sample.write(config, folder, out=tmp_path, n=3)
  config = config_of(**{"shots.folder": str(tmp_path)})
  with pytest.raises(ValueError, match="no image has a mask"):
    shots.read(config)
  for name in ("000000", "000002"):
    Image.fromarray(np.ones((SIZE, SIZE), np.uint8)).save(
        tmp_path / f"{name}_mask.png")
  loaded = shots.read(config)
  assert loaded.ids == ("000000", "000002")
  assert (loaded.label == 1).all()
  latents = shots.make(config, folder).load_frozen()["latents"]
  sampled = samples.draw(trained.load(config, folder, "a test"), [0, 2], 1.0)
  np.testing.assert_array_equal(latents, sampled.latents)
  np.testing.assert_array_equal(loaded.image, sampled.image)


def test_scores_stand_beside_their_references(run, capsys, monkeypatch):
  config, folder = run
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
  record = records.load(folder / "synthesis/eval/test",
                        config=json.loads(config.to_json_best_effort()))
  assert {k: v["miou"] for k, v in record.methods.items()} == {
      k: v["miou"] for k, v in by_name.items()}
  assert "nearest shot" in capsys.readouterr().out


def test_study_of_scribbles_judges_pseudo_labels(run):
  _, folder = run
  config = config_of("sparse", **{"encoder.steps": 0})
  few, many, none = scoring.study(
      config, folder, ks=[1, 8], thresholds=[0.0]) + scoring.study(
          config, folder, ks=[1], thresholds=[1.1])
  assert 0 < few["labeled"] < many["labeled"]
  assert many["label_miou"] > 0
  assert none == {"layer": "conv16", "k": 1, "threshold": 1.1,
                  "labeled": 0.0, "label_accuracy": None, "label_miou": None}


@pytest.mark.slow
def test_study_of_layers_judges_and_trains(run):
  _, folder = run
  config = config_of()
  rows = scoring.study(config, folder, layers=["conv4"])
  assert [r["layer"] for r in rows] == ["conv4"]
  for row in rows:
    assert row["labeled"] == 1
  assert (folder / "study/conv4/encoder/DONE").exists()
  with pytest.raises(ValueError, match="'conv99'"):
    scoring.study(config, folder, layers=["conv99"])


def test_shots_label_themselves_by_the_nearest_cell(run):
  _, folder = run
  config = config_of("nearest", **{"pseudo.layer": "conv16"})
  label = shots.load(config, folder, "a test").label
  generator = trained.load(config, folder, "a test")
  labeller = pseudo_labels.make(config, generator.module)
  # Latents of inversion are still close to each other.
  latents = jax.random.normal(jax.random.key(0), (2, 6, 8))
  fitted = pseudo_labels.prototypes_of(
      config, generator, labeller, latents, label)
  assert len(fitted.classes) == 2 * 16 * 16
  maps = {"conv16": fitted.vectors.reshape(2, 16, 16, -1)}
  assert (labeller.label(fitted, maps) == label).mean() > 0.95


@pytest.mark.parametrize("kind", ["scribbles", "points"])
def test_partial_shots_mark_whole_cells(kind):
  config = config_of("sparse", **{"shots.annotation": kind})
  loaded = shots.read(config)
  assert loaded.label.max() <= 7
  assert 0 < (loaded.label > 0).mean() < 0.5
  assert pseudo_labels.annotation_classes(config) == 8
  assert len(encoder.annotation_colors(config)) == 8
  assert kind in annotations.KINDS


def test_ignored_pixels_are_no_class():
  label = np.array([[0, 255], [1, 1]], np.uint8).repeat(8, 0).repeat(8, 1)
  dense = shots.annotate(config_of(), label, 16, 0)
  assert set(np.unique(dense)) == {-1, 0, 1}
  sparse = config_of("sparse", **{"shots.annotation": "mask"})
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
    shots.make(config_of(**changes), tmp_path)


@pytest.mark.parametrize(("changes", "said"), [
    ({"shots.annotation": "oil"}, "config.shots.annotation is 'oil'"),
    ({"shots.count": 0}, "config.shots.count is 0"),
])
def test_bad_shots_name_the_field(changes, said):
  with pytest.raises(ValueError, match=said):
    shots.read(config_of("sparse", **changes))


def test_what_is_missing_is_named(run, tmp_path):
  config, folder = run
  with pytest.raises(FileNotFoundError, match="stage 'gan'"):
    synthesis.Synthesizer(config, tmp_path)
  with pytest.raises(FileNotFoundError, match="stage 'shots'"):
    shots.load(config, tmp_path, "a test")
  with pytest.raises(ValueError, match="either --masks"):
    synthesize.layouts_of(config, masks=None, points=None)
  with pytest.raises(ValueError, match="landmarks need"):
    synthesize.layouts_of(config, masks=None, points="a.csv")
  with pytest.raises(ValueError, match="--pairs needs whole masks"):
    synthesize.write_pairs(config_of("sparse"), folder, out=tmp_path, count=1,
                           styles=(), alpha=1.0, seed=0)


def test_perceptual_distance_takes_any_number_of_images(run):
  distance = perceptual.make(*run, "a test")
  variables = distance.load()
  images = jax.random.uniform(
      jax.random.key(0), (5, SIZE, SIZE, 3), minval=-1)
  features = jax.jit(distance.features)
  five = features(variables, images)
  assert all(len(f) == 5 for f in five)
  jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b[:2], rtol=1e-4, atol=1e-5),
      features(variables, jnp.asarray(images[:2])), five)

"""RepurposeGAN's stages: painted shots, segmenter, inversion, auto-shot."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import errors
from semseg_jax.methods.common import data
from semseg_jax.methods.common import feature_segmenter
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import perceptual
from semseg_jax.methods.common import samples
from semseg_jax.methods.repurpose_gan import autoshot
from semseg_jax.methods.repurpose_gan import projection
from semseg_jax.methods.repurpose_gan import segmenter
from semseg_jax.methods.repurpose_gan import shots
from semseg_jax.training import loop
from tests.methods import repurpose as toy


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """(config, folder) with two painted samples and a trained segmenter."""
  folder = tmp_path_factory.mktemp("run")
  config = toy.config(folder, **{
      "shots.source": "folder", "shots.folder": str(folder / "shots"),
      "shots.count": 0})
  generator = generators.load(config, folder, "a test")
  spec = data.dataset(config).spec
  samples.write(generator, spec, folder / "shots", range(3), 1.0)
  for name in ("000000", "000002"):
    image = np.asarray(Image.open(folder / f"shots/{name}.png"))
    bright = image.mean(-1) > np.median(image.mean(-1))
    Image.fromarray(3 * bright.astype(np.uint8)).save(
        folder / f"shots/{name}_mask.png")
  loop.train(segmenter.make(config, folder), workdir=folder / "segmenter",
             options=loop.LoopOptions(), key=jax.random.key(0))
  return config, folder


def test_samples_are_numbered_and_come_back(run):
  config, folder = run
  generator = generators.load(config, folder, "a test")
  sampled = samples.draw(generator, [2, 0], 1.0)
  again = samples.read(generator, folder / "shots", ["000002"])
  np.testing.assert_array_equal(again.image[0], sampled.image[0])
  np.testing.assert_array_equal(again.latents[0], sampled.latents[0])
  on_disk = np.asarray(Image.open(folder / "shots/000002.png"))
  np.testing.assert_array_equal(on_disk, sampled.image[0])
  # Full truncation is the mean latent.
  flat = samples.draw(generator, [1], 0.0)
  np.testing.assert_allclose(
      flat.latents[0], np.broadcast_to(generator.mean, flat.latents[0].shape),
      rtol=1e-5, atol=1e-6)


def test_painted_pixels_that_do_not_count(tmp_path, monkeypatch):
  """The painted folder's own ignored value, not the data set's."""
  config = toy.config(tmp_path, **{
      "shots.source": "folder", "shots.folder": str(tmp_path / "shots"),
      "shots.count": 1})
  (tmp_path / "shots").mkdir()
  Image.new("RGB", (16, 16)).save(tmp_path / "shots/a.png")
  mask = np.full((16, 16), 2, np.uint8)
  mask[:4] = 200
  Image.fromarray(mask).save(tmp_path / "shots/a_mask.png")
  names = data.dataset(config).spec.class_names
  (tmp_path / "shots/classes.json").write_text(json.dumps({
      "classes": names, "ignore_index": 200}))
  monkeypatch.setattr(shots.samples, "read", lambda *_: samples.Samples(
      np.zeros((1, 16, 16, 3), np.uint8), np.zeros((1, 1, 1)), ()))
  label = shots.source(config, tmp_path).load(None).label
  np.testing.assert_array_equal(
      label[0], np.where(mask == 200, data.ignore_index(config), mask))
  (tmp_path / "shots/classes.json").write_text(json.dumps({
      "classes": names[::-1], "ignore_index": 200}))
  with pytest.raises(errors.DataError, match="names the classes mouth, nose"):
    shots.source(config, tmp_path)


def test_segmenter_learns_the_painted_shots(run):
  config, folder = run
  stage = segmenter.make(config, folder)
  assert stage.steps == 2 * config.few_shot.epochs
  frozen = jax.tree.map(jnp.asarray, stage.load_frozen())
  state = stage.init(jax.random.key(0), frozen)
  step = jax.jit(stage.train_step, static_argnames="phase")
  losses = []
  for batch in itertools.islice(stage.train_data(0), 60):
    state, metrics = step(state, frozen, batch, (), phase="step")
    losses.append(float(metrics["loss"]))
  assert np.mean(losses[-6:]) < 0.8 * np.mean(losses[:2])
  image = stage.sample(state, frozen, None)["shots"]
  assert image.dtype == np.uint8


def test_no_epoch_is_refused(run):
  config, folder = run
  config = config.copy_and_resolve_references()
  config.few_shot.epochs = 0
  with pytest.raises(ValueError, match="config.few_shot.epochs is 0"):
    segmenter.make(config, folder)


@pytest.mark.parametrize("field", ["data", "hypercolumn"])
def test_auto_shot_needs_images_of_16_px(run, field):
  config, folder = run
  config = config.copy_and_resolve_references()
  config[field].size = 8
  with pytest.raises(ValueError, match=f"config.{field}.size is 8"):
    autoshot.make(config, folder)


def test_epochs_are_shuffled_rounds_and_resume(run):
  config, folder = run
  stage = segmenter.make(config, folder)
  take = lambda start, n: [
      int(b["index"]) for b in itertools.islice(stage.train_data(start), n)]
  order = take(0, 12)
  assert take(5, 7) == order[5:]
  assert all(sorted(order[i:i + 2]) == [0, 1] for i in range(0, 12, 2))
  rate = feature_segmenter.learning_rate(config, 2)
  every = 2 * config.few_shot.decay_epochs
  assert rate(every - 1) == pytest.approx(0.02)
  assert rate(every) == pytest.approx(0.018)
  other = config.copy_and_resolve_references()
  other.few_shot.rate_factors.linear = 3.0
  assert feature_segmenter.learning_rate(other, 2)(0) == pytest.approx(0.06)


def test_labels_by_inversion_are_computed_once(run, monkeypatch):
  config, folder = run
  images = np.random.default_rng(0).integers(
      0, 256, (2, toy.SIZE, toy.SIZE, 3), np.uint8)
  index = np.arange(2, dtype=np.int32)
  predict = segmenter.predictor(config, folder)
  outputs = predict(images, index)["inversion"]
  assert outputs["logits"].shape == (2, toy.SIZE, toy.SIZE, 7)
  assert outputs["reconstruction"].shape == images.shape
  monkeypatch.setattr(projection.inversion.Inverter, "run", None)
  again = segmenter.predictor(config, folder)(images, index)["inversion"]
  np.testing.assert_array_equal(again["logits"], outputs["logits"])
  with pytest.raises(TypeError):  # other images are inverted
    predict(images[::-1], index)


def test_kept_inversions_are_of_the_perceptual_file(
    run, tmp_path, monkeypatch):
  config, folder = run
  path = tmp_path / "lpips.safetensors"
  path.write_text("one")
  other = config.copy_and_resolve_references().unlock()
  other.update_from_flattened_dict({
      "perceptual.weights": str(path), "inversion.perceptual_weight": 1.0})
  monkeypatch.setattr(
      perceptual, "make", lambda *_: perceptual.none()._replace(name="lpips"))
  images = np.zeros((2, toy.SIZE, toy.SIZE, 3), np.uint8)
  projection.make(other, folder)(images, np.arange(2))
  monkeypatch.setattr(projection.inversion.Inverter, "run", None)
  projection.make(other, folder)(images, np.arange(2))
  path.write_text("another")
  with pytest.raises(TypeError):  # inverted again
    projection.make(other, folder)(images, np.arange(2))


def test_auto_shot_pairs_depend_on_their_index_alone(run):
  config, folder = run
  stage = autoshot.make(config, folder)
  frozen = stage.load_frozen()
  make_pair = jax.jit(autoshot.pairs(config))
  image, label = make_pair(frozen, jnp.array([3, 5]))
  swapped, other = make_pair(frozen, jnp.array([5, 3]))
  np.testing.assert_allclose(image, swapped[::-1], atol=1e-5)
  np.testing.assert_allclose(label, other[::-1], atol=1e-5)
  np.testing.assert_allclose(label.sum(-1), 1.0, atol=1e-5)
  assert float(jnp.abs(image).max()) <= 1.0
  assert np.abs(image[0] - image[1]).max() > 0.01
  config = config.copy_and_resolve_references().unlock()
  config.autoshot.styles = 3.0
  styled, same = jax.jit(autoshot.pairs(config))(frozen, jnp.array([3, 5]))
  np.testing.assert_allclose(label, same, atol=1e-6)
  assert np.abs(image - styled).max() > 0.01
  for field, value in (("autoshot.styles", -3.0), ("hypercolumn.size", 12),
                       ("hypercolumn.size", 2 * toy.SIZE)):
    wrong = config.copy_and_resolve_references().unlock()
    wrong.update_from_flattened_dict({field: value})
    with pytest.raises(ValueError, match=f"config.{field} is {value}"):
      autoshot.make(wrong, folder)


def test_auto_shot_trains(run):
  config, folder = run
  stage = autoshot.make(config, folder)._replace(sample=None)
  assert [stage.phases(s) for s in range(4)] == [
      ("step",), ("step",), ("end_epoch", "step"), ("step",)]
  indices = np.concatenate([
      b["index"] for b in itertools.islice(stage.train_data(0), 3)])
  np.testing.assert_array_equal(np.sort(indices[:6]), np.arange(6))
  np.testing.assert_array_equal(next(stage.train_data(2))["index"],
                                indices[8:])
  # What it labels: api_methods_test.py.
  state = loop.train(stage, workdir=folder / "autoshot",
                     options=loop.LoopOptions(), key=jax.random.key(0))
  assert int(state.step) == stage.steps


def test_processes_share_the_batches_of_auto_shot(tmp_path, monkeypatch):
  config = toy.config(tmp_path)
  batch = lambda: next(autoshot.make(config, None).train_data(1))["index"]
  whole, halves = batch(), []
  monkeypatch.setattr(jax, "process_count", lambda: 2)
  for process in (0, 1):
    monkeypatch.setattr(jax, "process_index", lambda process=process: process)
    halves.append(batch())
  np.testing.assert_array_equal(np.concatenate(halves), whole)


@pytest.mark.parametrize(("changes", "message"), [
    ({"shots.count": 3}, "2 images have a mask.*asks for 3"),
    ({"shots.folder": ""}, "shots.folder is empty"),
    ({"shots.source": "dream"}, "'dream'; use one of folder"),
    ({"shots.source": "fully_supervised", "shots.count": 1},
     "stage 'fully_supervised'"),
    ({"shots.source": "fully_supervised", "shots.count": 0},
     "shots.count is 0"),
    ({"shots.source": "projected", "shots.count": 1},
     "'projected', which does not read it"),
    ({"data.num_classes": 4}, r"num_classes is 4, but .*names 7"),
    ({"data.size": 32}, r"16 x 16 pixels, config.data.size is 32"),
])
def test_mistakes_are_told_before_anything_runs(run, changes, message):
  config, folder = run
  other = config.copy_and_resolve_references().unlock()
  other.update_from_flattened_dict(changes)
  with pytest.raises(ValueError, match=message):
    shots.source(other, folder)


def test_latents_of_another_generator_are_refused(run, tmp_path):
  config, folder = run
  toy.write_generator(config, tmp_path / "other.safetensors", seed=1)
  other = config.copy_and_resolve_references().unlock()
  other.generator.weights = str(tmp_path / "other.safetensors")
  generator = generators.load(other, folder, "a test")
  source = shots.source(other, folder)
  with pytest.raises(errors.DataError, match="latents are of generator"):
    source.load(generator)
  with pytest.raises(errors.DataError, match="write into another folder"):
    samples.write(generator, None, folder / "shots", [0], 1.0)


def test_a_sample_that_was_cut_off_is_written_again(run, tmp_path, monkeypatch):
  config, folder = run
  generator = generators.load(config, folder, "a test")
  write = lambda: samples.write(
      generator, data.dataset(config).spec, tmp_path, [4], 1.0)

  def killed(path, content):
    raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr(samples.run_dir, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
      write()
  write()
  assert len(samples.read(generator, tmp_path, ["000004"]).image) == 1


def test_damaged_latents_are_named(run, tmp_path):
  config, folder = run
  generator = generators.load(config, folder, "a test")
  for content in "{}", "[]":
    (tmp_path / "samples.json").write_text(content)
    with pytest.raises(errors.DataError, match=r"samples\.json: damaged"):
      samples.read(generator, tmp_path, ["000000"])
  (tmp_path / "samples.json").unlink()
  with pytest.raises(errors.DataError, match=r"000009\.npz: missing"):
    samples.read(generator, folder / "shots", ["000009"])
  with pytest.raises(errors.DataError, match=r"classes\.json is missing"):
    samples.write(generator, None, tmp_path, [0], 1.0)


def test_a_png_of_another_image_is_refused(run, tmp_path):
  config, folder = run
  generator = generators.load(config, folder, "a test")
  samples.write(
      generator, data.dataset(config).spec, tmp_path, range(2), 1.0)
  png = tmp_path / "000000.png"
  image = Image.open(png).copy()
  image.convert("RGBA").save(png)
  samples.read(generator, tmp_path, ["000000"])
  image.resize((64, 64), Image.Resampling.NEAREST).save(png)  # to paint on it
  samples.read(generator, tmp_path, ["000000"])
  for other in ("000001.png", None):
    if other:
      (tmp_path / other).replace(png)
    else:
      Image.new("RGB", (40, 30), (200, 180, 20)).save(png)
    with pytest.raises(errors.DataError, match=r"000000\.png: not the image"):
      samples.read(generator, tmp_path, ["000000"])


@pytest.mark.parametrize("value", [np.nan, "a"])
def test_latents_are_finite_numbers(run, tmp_path, value):
  config, folder = run
  generator = generators.load(config, folder, "a test")
  samples.write(generator, data.dataset(config).spec, tmp_path, [0], 1.0)
  path = tmp_path / "000000.npz"
  with np.load(path) as z:
    arrays = dict(z)
  arrays["noise1"] = np.full_like(
      arrays["noise1"], value, dtype=np.asarray(value).dtype)
  np.savez(path, **arrays)
  with pytest.raises(errors.DataError, match=r"000000\.npz: .*noise1 holds"):
    samples.read(generator, tmp_path, ["000000"])


def test_inversion_says_what_it_lacks(run):
  config, folder = run
  for field, value, message in (
      ("inversion.perceptual_weight", 1.0, "config.perceptual.weights"),
      ("inversion.start", "encoder", "no encoder")):
    other = config.copy_and_resolve_references().unlock()
    other.update_from_flattened_dict({field: value})
    with pytest.raises(ValueError, match=message):
      projection.make(other, folder)

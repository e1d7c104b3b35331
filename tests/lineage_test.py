"""Stages of a run that no longer fit what they were trained on."""

import json
import logging
import shutil

import jax.numpy as jnp
import pytest

from configs.fewshot_smis import toy_faces as fewshot_smis
from configs.repurpose_gan import toy_faces as repurpose_gan
from configs.semantic_gan import toy_faces
from semseg_jax import api
from semseg_jax import experiment
from semseg_jax import lineage
from semseg_jax import method_scores
from semseg_jax.methods.common import generators
from semseg_jax.training import checkpoint
from semseg_jax.training import run_dir
from tests.methods import smoke


def _config(**fields):
  config = toy_faces.get_config("labels=20,smoke")
  config.update_from_flattened_dict(fields)
  return config


def _saved(config, workdir, name, step, *, kept=True):
  """A stage's folder, as after training up to a step."""
  folder = workdir / name
  run_dir.prepare(
      folder, {}, {}, trained_on=lineage.now(config, workdir, name)
      if kept else None)
  with checkpoint.Checkpoints(folder / "ckpt") as checkpoints:
    checkpoints.save(step, {"step": jnp.int32(step)}, {})


def _fitted(**fields):
  return _config(**{
      "labels.head": "fitted", "inversion.start": "encoder",
      "stages": ("gan", "encoder", "label_head", "distilled"), **fields})


def test_what_each_stage_is_trained_on():
  needs = lambda config, name: experiment.stage_table.of(
      config, name).needs(config)
  fitted = _fitted()
  assert needs(fitted, "gan") == needs(fitted, "supervised") == ()
  assert needs(fitted, "encoder") == ("gan",)
  assert needs(fitted, "label_head") == ("gan", "encoder")
  assert needs(_fitted(**{
      "inversion.start": "mean", "inversion.consistency_weight": 0.0}),
               "label_head") == ("gan",)
  assert needs(fitted, "distilled") == ("gan", "label_head")
  assert needs(_fitted(**{"distilled.agreement": True}), "distilled") == (
      "gan", "label_head", "supervised")
  parts = repurpose_gan.get_config("smoke")
  parts.shots.source = "fully_supervised"
  assert needs(parts, "segmenter") == ("gan", "fully_supervised")
  assert needs(parts, "autoshot") == ("gan", "segmenter")
  parts.generator.weights = "generator.safetensors"
  parts.shots.source = "projected"
  assert needs(parts, "segmenter") == ()
  layouts = fewshot_smis.get_config("smoke")
  assert needs(layouts, "shots") == ("gan",)
  assert needs(layouts, "encoder") == ("gan", "shots")


def test_stages_of_a_former_generator_are_refused(tmp_path):
  config = _fitted()
  for name, step in (("gan", 4), ("encoder", 2), ("label_head", 3)):
    _saved(config, tmp_path, name, step)
  lineage.check(config, tmp_path)
  kept = run_dir.trained_on(tmp_path / "label_head")
  assert {k: v for k, v in kept.items() if "saved" not in k} == {
      "gan": 4, "encoder": 2}
  _saved(config, tmp_path, "gan", 8)
  with pytest.raises(ValueError, match=(
      r"^stage 'encoder' was trained on 'gan' at step 4, which is at step 8 "
      r"now; stage 'label_head' was .*: delete \S+/encoder, \S+/label_head to "
      "train")):
    lineage.check(config, tmp_path)
  lineage.check(config, tmp_path, ("gan", "distilled"))  # none is there
  # What a stage was trained on may be gone: it needs it no longer.
  (tmp_path / "gan").rename(tmp_path / "kept")
  lineage.check(config, tmp_path)


def test_nothing_is_trained_further_that_others_were_trained_on(tmp_path):
  config = _fitted()
  _saved(config, tmp_path, "gan", 4)
  lineage.check_further(config, tmp_path, "gan", 8)
  _saved(config, tmp_path, "encoder", 2, kept=False)
  lineage.check_further(config, tmp_path, "gan", 4)
  lineage.check_further(config, tmp_path, "encoder", 9)
  with pytest.raises(ValueError, match=(
      r"'gan' would be trained from step 4 on to 8.*: delete \S+/encoder to")):
    lineage.check_further(config, tmp_path, "gan", 8)


def test_a_run_of_a_former_version_is_warned_of(tmp_path, caplog):
  config = _fitted()
  for name, step in (("gan", 4), ("encoder", 2)):
    _saved(config, tmp_path, name, step, kept=False)
  # Other tests raise what absl logs, so that orbax's lines are among it.
  warnings = lambda: [
      x for x in caplog.records if x.levelno >= logging.WARNING]
  lineage.check(config, tmp_path)
  assert not warnings()
  _saved(config, tmp_path, "gan", 8)
  lineage.check(config, tmp_path)
  [warning] = warnings()
  assert f"{tmp_path}/encoder is older than" in warning.getMessage()
  assert run_dir.trained_on(tmp_path / "encoder") is None


def _again(config, workdir, name, step):
  """Deletes a stage and trains it to as many steps."""
  shutil.rmtree(workdir / name)
  _saved(config, workdir, name, step)


def test_a_stage_that_was_trained_again_is_noticed(tmp_path, caplog):
  config, workdir = _fitted(), tmp_path / "run"
  for name, step in (("gan", 4), ("encoder", 2)):
    _saved(config, workdir, name, step)
  shutil.copytree(workdir, tmp_path / "copy")
  workdir = workdir.rename(tmp_path / "moved")
  former = method_scores.trained_of(config, workdir)
  _again(config, workdir, "gan", 4)
  with pytest.raises(ValueError, match=(
      r"^stage 'encoder' was trained on 'gan' before that was trained again: "
      r"delete \S+/encoder to")):
    lineage.check(config, workdir)
  # Its former scores and labels are not those of now.
  assert method_scores.trained_of(config, workdir) != former
  _again(config, workdir, "encoder", 2)
  for folder in (workdir, tmp_path / "copy"):
    lineage.check(config, folder)
  # A former version kept the steps alone: it is not refused, but warned of.
  (workdir / "encoder/trained_on.json").write_text('{"gan": 4}')
  _again(config, workdir, "gan", 4)
  lineage.check(config, workdir)
  assert f"{workdir}/encoder is older than" in caplog.text


def test_another_runs_generator_counts(tmp_path):
  config = _fitted(**{"labels.run": str(tmp_path / "other"), "stages": (
      "label_head",)})
  workdir = tmp_path / "own"
  _saved(config, tmp_path / "other", "gan", 4)
  _saved(config, tmp_path / "other", "encoder", 2)
  _saved(config, workdir, "label_head", 3)
  lineage.check(config, workdir)
  assert lineage.other_generator(config)["step"] == 4
  trained = method_scores.trained_of(config, workdir)
  _saved(config, tmp_path / "other", "gan", 8)
  with pytest.raises(ValueError, match="'gan' at step 4, which is at step 8"):
    lineage.check(config, workdir)
  other = _fitted(**{"labels.run": str(tmp_path / "third"), "stages": (
      "label_head",)})
  for name, step in (("gan", 4), ("encoder", 2)):  # as many steps
    _saved(config, tmp_path / "third", name, step)
  with pytest.raises(ValueError, match="another 'gan' than that of .*another"):
    lineage.check(other, workdir)
  gone = _fitted(**{"labels.run": str(tmp_path / "gone")})
  with pytest.raises(ValueError, match="correct config.labels.run"):
    lineage.check_needs(gone, tmp_path, ("label_head",))
  with pytest.raises(FileNotFoundError, match="gone is not there"):
    generators.load(gone, tmp_path, "the test")
  # Trained again it has other results, though as many steps.
  (workdir / "label_head").rename(workdir / "former")
  _saved(config, workdir, "label_head", 3)
  lineage.check(config, workdir)
  assert method_scores.trained_of(config, workdir) != trained


@pytest.mark.parametrize("block", ["generator", "perceptual"])
def test_a_file_of_weights_that_is_written_again_counts(tmp_path, block):
  config, file = repurpose_gan.get_config("smoke"), tmp_path / "g.safetensors"
  config.stages, config[block].weights = ("segmenter",), str(file)
  file.write_bytes(b"a generator")
  _saved(config, tmp_path, "segmenter", 2)
  before = method_scores.fingerprint(config, tmp_path)
  lineage.check(config, tmp_path)
  file.write_bytes(b"a generator")  # the same
  lineage.check(config, tmp_path)
  assert method_scores.fingerprint(config, tmp_path) == before
  file.write_bytes(b"A generator")  # of as many bytes
  assert method_scores.fingerprint(config, tmp_path) != before
  with pytest.raises(ValueError, match=(
      rf"'segmenter' was trained on another file config.{block}.weights than "
      r"is there now: delete \S+/segmenter to")):
    lineage.check(config, tmp_path)
  # A former version did not keep it; and a file may be gone.
  (tmp_path / "segmenter/trained_on.json").unlink()
  lineage.check(config, tmp_path)
  file.unlink()
  lineage.check(config, tmp_path)


def test_a_run_keeps_and_checks_what_it_was_trained_on(
    tmp_path, tmp_path_factory):
  trained, _ = smoke.demo(tmp_path_factory)
  config = run_dir.config_of(trained)
  smoke.copy_stages(trained, tmp_path, "gan", "encoder")
  for name in ("config.json", "dataset.json"):
    (tmp_path / name).write_bytes((trained / name).read_bytes())
  kept = tmp_path / "encoder/trained_on.json"
  assert json.loads(kept.read_text())["gan"] == config.gan.steps
  before = sorted(x.name for x in (tmp_path / "gan/ckpt").iterdir())
  longer = config.copy_and_resolve_references().unlock()
  longer.gan.steps += 2
  for only in ((), ("gan",)):
    with pytest.raises(ValueError, match=r"delete \S+/encoder to have that"):
      experiment.train(longer, tmp_path, only=only)
  assert sorted(x.name for x in (tmp_path / "gan/ckpt").iterdir()) == before
  kept.write_text('{"gan": 1}')
  for use in (lambda: experiment.evaluate(config, tmp_path),
              lambda: experiment.train(config, tmp_path, only=("encoder",)),
              lambda: api.load(tmp_path)):
    with pytest.raises(ValueError, match="at step 1, which is at step"):
      use()

"""What a run's folder keeps of config and data set; nothing is trained."""

import json
from unittest import mock

import jax
import numpy as np
import pytest

from configs.fewshot_smis import toy_faces as smis
from configs.semantic_gan import toy_faces
from semseg_jax import dataset_facts
from semseg_jax import experiment
from semseg_jax import lineage
from semseg_jax import stages
from semseg_jax.data import datasets
from semseg_jax.data import fingerprint
from semseg_jax.data import sources
from semseg_jax.training import run_dir
from tests.methods import repurpose


@pytest.fixture
def run(tmp_path):
  """(config, folder) of a run that has begun two stages."""
  config = toy_faces.get_config("labels=20,smoke")
  config.stages = ("supervised", "gan")
  run_dir.describe(tmp_path, json.loads(config.to_json_best_effort()), {})
  for name in config.stages:
    run_dir.prepare(tmp_path / name, stages.relevant(config, name), {})
  return config, tmp_path


def test_one_stage_is_not_trained_under_another_config_of_the_others(run):
  config, folder = run
  before = (folder / "config.json").read_text()
  config.supervised.width = 5
  with pytest.raises(run_dir.ConfigMismatchError, match=r"supervised\.width"):
    experiment.train(config, folder, only=("gan",))
  assert (folder / "config.json").read_text() == before


def test_stages_of_an_earlier_config_stay(run):
  config, folder = run
  plain = json.loads(config.to_json_best_effort())
  joined = experiment._joined({**plain, "stages": ["gan", "encoder"]}, folder)
  assert joined["stages"] == ["supervised", "gan", "encoder"]
  with pytest.raises(run_dir.ConfigMismatchError, match="method"):
    experiment._joined({**plain, "method": "semisup"}, folder)


def _masks_that_change_are_said(config, folder):
  (folder / "shots/0_mask.png").write_bytes(b"a mask")
  before = dataset_facts.of(config)
  former = {k: v for k, v in before.items() if k != "painted"}

  def said(there, trained="segmenter"):
    run_dir.describe(folder / "run", {}, there)
    exists = lambda ckpt: ckpt.parent.name == trained
    with (mock.patch.object(dataset_facts.logging, "warning") as warning,
          mock.patch.object(dataset_facts.checkpoint, "exists", exists)):
      dataset_facts.of_weights(config, folder / "run")
    return warning.called

  (folder / "shots/1.png").write_bytes(b"an image that is not painted yet")
  assert not said(before)
  (folder / "shots/0_mask.png").write_bytes(b"another")
  assert said(before)
  assert not said(before, "gan")  # which has seen no masks
  assert not said(former)  # a former version did not know


def test_classes_are_those_that_were_painted(tmp_path):
  config = repurpose.config(tmp_path, **{
      "data.num_classes": 2, "data.name": "", "data.validation": "",
      "shots.source": "folder", "shots.folder": str(tmp_path / "shots")})
  (tmp_path / "shots").mkdir()
  (tmp_path / "shots/classes.json").write_text(json.dumps({
      "classes": ["rest", "nose"], "colours": [[0, 0, 0], [9, 8, 7]]}))
  facts = dataset_facts.of(config)
  assert facts["class_names"] == ["rest", "nose"]
  assert facts["colors"][1] == [9, 8, 7]
  _masks_that_change_are_said(config, tmp_path)
  config.shots.source = "fully_supervised"
  facts = dataset_facts.of(config)
  assert len(facts["class_names"]) == len(facts["colors"]) == 2


def test_fingerprint_changes_with_what_it_covers():
  images = np.zeros((9, 4, 4, 3), np.uint8)
  labels = np.zeros((9, 4, 4), np.uint8)

  def of(images=images, labels=labels, **changes):
    spec = datasets.Spec(**{
        "name": "x", "class_names": ("a", "b"),
        "colors": np.zeros((2, 3), np.uint8)} | changes)
    return fingerprint.of(datasets.Dataset(
        spec, {"train": sources.InMemory(images, labels)}))

  assert of() == of(images.copy())
  changed = [of(images=images + 1), of(labels=labels + 1), of(images[:8],
             labels[:8]), of(class_names=("a", "c")), of(flip=(1, 0)),
             of(ignore_index=1)]
  assert len({of(), *changed}) == 7


@pytest.mark.parametrize(("labeling", "vectors"), [
    ("dense", 7), ("nearest", 2 * 16 * 16), ("sparse", 2 * 16 * 16)])
def test_a_smis_encoder_is_planned_without_a_run(labeling, vectors):
  config = smis.get_config(f"shots=2,labeling={labeling},smoke")
  frozen = stages.make(config, None, "encoder").load_frozen()
  prototypes = frozen["prototypes"]
  assert prototypes.vectors.shape[0] == prototypes.classes.shape[0] == vectors
  state = jax.eval_shape(stages.make(config, None, "encoder").init,
                         jax.random.key(0), frozen)
  assert state.encoder["mean"]["latents"].shape == frozen["mean"].shape


def test_steps_that_are_no_stages_own_are_refused(tmp_path):
  """Other ones would change the result, and nothing would be trained again."""
  layouts = smis.get_config("smoke")
  fitted = toy_faces.get_config("labels=20,smoke,fitted")
  projected = repurpose.config(tmp_path, **{"shots.source": "projected"})
  for config, name, field in (
      (layouts, "shots", "shots.steps"), (layouts, "encoder", "shots.steps"),
      (fitted, "label_head", "inversion.steps"),
      (projected, "segmenter", "inversion.steps")):
    config.stages = (name,)
    run_dir.prepare(tmp_path / name, stages.relevant(config, name), {})
    block, key = field.split(".")
    config[block][key] += 1
    with pytest.raises(run_dir.ConfigMismatchError, match=field):
      experiment.train(config, tmp_path)
    if block == "inversion":  # images may be labeled in other steps
      experiment.check_run(config, tmp_path)
    else:
      with pytest.raises(run_dir.ConfigMismatchError, match=field):
        experiment.check_run(config, tmp_path)
    config[block][key] -= 1
    (tmp_path / name / "config.json").unlink()


@pytest.mark.parametrize("name", ["segmenter", "autoshot"])
def test_projected_shots_alone_depend_on_the_inversion(tmp_path, name):
  run = lambda source, rate: repurpose.config(tmp_path, **{
      "shots.source": source, "inversion.learning_rate": rate,
      "stages": (name,)})
  folder, now = tmp_path / name, run("projected", 0.2)
  for source in ("fully_supervised", "folder"):
    run_dir.prepare(folder, stages.relevant(run(source, 0.1), name), {})
    experiment.check_run(run(source, 0.2), tmp_path)
    run_dir.forget(folder)
  first = stages.relevant(run("projected", 0.1), name)
  run_dir.prepare(folder, first, {})
  with pytest.raises(run_dir.ConfigMismatchError, match="learning_rate: 0.1"):
    experiment.check_run(now, tmp_path)
  smaller = run("projected", 0.1).unlock()
  smaller.inversion.update(batch_size=1, snapshots=(1,))
  experiment.check_run(smaller, tmp_path)
  run_dir.forget(folder)
  # Former versions did not keep the block, and it is not known afterwards.
  former = {k: v for k, v in first.items() if k != "inversion"}
  run_dir.prepare(folder, former, {})
  experiment.check_run(now, tmp_path)
  (folder / "ckpt/1").mkdir(parents=True)
  run_dir.prepare(folder, stages.relevant(now, name), {})
  run_dir.check(folder, first)


def test_another_runs_generator_is_told_from_the_configs_own(caplog, tmp_path):
  """The shipped one was trained with the library's own settings."""
  def warned(**fields):
    config = toy_faces.get_config("labels=20,fitted,run=toy_faces,seed=1")
    config.stages = ("supervised",)
    config.update_from_flattened_dict(fields)
    caplog.clear()
    experiment.check_run(config, tmp_path)
    return [x.getMessage() for x in caplog.records if "labels.run" in x.msg]

  assert not warned()
  assert not warned(**{"supervised.steps": 3})
  [line] = warned(**{"gan.steps": 7, "encoder.kind": "residual"})
  assert "toy_faces was trained with other gan.steps, encoder.kind than" in line
  caplog.clear()
  lineage.warn_of_generator(smis.get_config("run=toy_faces"))
  assert not caplog.records

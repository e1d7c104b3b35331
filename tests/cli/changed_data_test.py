"""Data that has changed, or has moved, since a run was trained on it."""

import json
from unittest import mock

import numpy as np
from PIL import Image
import pytest

from semseg_jax import dataset_facts
from semseg_jax import experiment
from semseg_jax.data import errors
from semseg_jax.methods.common import data as data_lib
from semseg_jax.training import run_dir
from tests.cli.on_folder import config_of as on_folder


def test_data_that_changed_since_a_run_was_begun(data, tmp_path):
  run = tmp_path / "run"
  before = dataset_facts.of(on_folder(data))
  run_dir.describe(run, {}, before)
  plain = lambda facts: json.loads(json.dumps(facts))

  def kept(cache):
    with mock.patch.object(dataset_facts.logging, "warning") as warning:
      facts = dataset_facts.of_weights(on_folder(
          data, **{"data.cache_dir": str(tmp_path / cache)}), run)
    return warning.called, plain(facts) == plain(before)

  with mock.patch.object(dataset_facts.checkpoint, "exists") as trained:
    assert kept("again") == (False, True)
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(data / "masks/p5.png")
    assert kept("anew") == (True, True)
    trained.return_value = False
    assert kept("anew") == (False, False)


def test_classes_keep_their_order_once_something_is_trained(data, tmp_path):
  run = tmp_path / "run"
  run_dir.describe(run, {}, dataset_facts.of(on_folder(data)))
  content = json.loads((data / "classes.json").read_text())
  content["classes"].reverse()
  (data / "classes.json").write_text(json.dumps(content))
  changed = on_folder(data, **{"data.cache_dir": str(tmp_path / "anew")})
  with mock.patch.object(dataset_facts.checkpoint, "exists"), pytest.raises(
      errors.DataError, match="at other places now"):
    dataset_facts.of_weights(changed, run)


def test_a_class_keeps_its_index_once_something_is_trained(data, tmp_path):
  run = tmp_path / "run"
  run_dir.describe(run, {}, dataset_facts.of(on_folder(data)))
  content = json.loads((data / "classes.json").read_text())
  first, second = content["classes"]

  def named(*names):
    (data / "classes.json").write_text(json.dumps(
        content | {"classes": names}))
    return dataset_facts.of_weights(on_folder(
        data, **{"data.cache_dir": str(tmp_path / "_".join(names))}), run)

  with mock.patch.object(dataset_facts.checkpoint, "exists"):
    assert named(first, "other")["class_names"] == [first, second]
    with pytest.raises(errors.DataError, match="at other places now"):
      named("other", first)


def test_lists_that_changed_do_not_score_what_was_trained_on(data, tmp_path):
  run, config = tmp_path / "run", on_folder(data)
  whole = on_folder(data, **{"stages": ("fully_supervised",)})
  assert dataset_facts.of(whole)["labeled"] == sorted(
      data_lib.dataset(whole).splits["train_labeled"].ids)
  run_dir.describe(run, {}, dataset_facts.of(config))
  there = data / "splits"
  (there / "test.txt").rename(there / "kept.txt")
  (there / "train_labeled.txt").rename(there / "test.txt")
  (there / "kept.txt").rename(there / "train_labeled.txt")
  changed = {"data.cache_dir": str(tmp_path / "anew")}
  config = on_folder(data, **changed)
  sources = {x: data_lib.evaluation_source(config, x)
             for x in ("test", "train_labeled")}
  with mock.patch.object(dataset_facts.checkpoint, "exists"):
    facts = dataset_facts.of_weights(config, run)
  with pytest.raises(errors.DataError, match="'test' has .* trained on.*p0"):
    dataset_facts.check_scored(config, facts, sources)
  sources.pop("test")
  dataset_facts.check_scored(config, facts, sources)
  dataset_facts.check_scored(
      config, dataset_facts.of(config),
      {"test": data_lib.evaluation_source(config, "train_labeled")})


def test_a_runs_config_has_the_whole_path_of_what_it_reads(
    data, tmp_path, monkeypatch):
  monkeypatch.chdir(data.parent)
  config = on_folder(data, **{
      "data.data_dir": data.name, "labels.run": data.name,
      "generator.weights": "no_such.safetensors"})
  plain = json.loads(config.to_json_best_effort())
  kept = experiment._joined(plain, tmp_path / "run")
  assert kept["data"] == plain["data"] | {"data_dir": str(data.resolve())}
  assert kept["labels"]["run"] == str(data.resolve())
  assert kept["generator"] == plain["generator"]

"""Every table at toy size."""

import csv
import json
import pathlib
import shlex

import pytest

from semseg_jax import experiment
from semseg_jax.cli import table
from semseg_jax.data import datasets
from semseg_jax.data import subsets
from semseg_jax.evaluation import record as records
from semseg_jax.tables import runs
from semseg_jax.tables import smoke
from semseg_jax.tables import toy_data
from tests.tables import toy


def test_toy_folder_is_a_data_set_with_all_that_is_asked_for(tmp_path):
  path = toy_data.folder(
      tmp_path / "toy", classes=("rest", "eye", "nose"), channels=1,
      splits=("val", "test", "ood_x"))
  dataset = datasets.load("folder", data_dir=str(path),
                          cache_dir=str(tmp_path / "cache"))
  assert dataset.spec.class_names == ("rest", "eye", "nose")
  assert dataset.spec.channels == 1
  assert {"train_labeled", "unlabeled", "val", "test", "ood_x"} == set(
      dataset.splits)
  datasets.verify(dataset, dataset.splits)
  assert "volume" in dataset.splits["test"][0]
  labeled, unlabeled = subsets.select(
      dataset, num_labeled=10, num_unlabeled=12, split_seed=0)
  assert (len(labeled), len(unlabeled)) == (10, 12)


def test_shrunk_table_has_the_same_graph_at_toy_size(tmp_path):
  where = toy.folders(tmp_path)
  small = toy_data.shrink(toy.faces(), where, tmp_path / "toy")
  lines, problems = runs.commands([small], where)
  assert len(lines) == 3  # label counts, one seed
  assert len(problems) == 1
  job = next(j for j in runs.jobs([small])
             if "semantic_gan" in j.run.config)
  plain = runs.plain_config(job.run, where, small)
  assert plain["gan"]["steps"] < 10
  assert plain["data"]["name"] == "folder"
  assert plain["data"]["num_labeled"] == 10
  assert plain["perceptual"]["weights"] == ""
  assert "weights" not in lines[0]


def test_toy_classes_are_those_that_the_columns_score(tmp_path):
  plain = {"data": dict(num_classes=3, channels=3, validation="val",
                        in_domain="test", out_of_domain=(), num_labeled=-1,
                        num_unlabeled=40)}
  overrides = toy_data.on_toy_data(plain, ("ood",), ["eye"], tmp_path)
  assert overrides["data.num_unlabeled"] == 12
  assert overrides["data.num_labeled"] == 10
  path = pathlib.Path(overrides["data.data_dir"])
  assert json.loads((path / "classes.json").read_text())["classes"] == [
      "eye", "class1", "class2"]
  assert (path / "splits/ood.txt").exists()


def test_smoke_does_equal_runs_once_and_names_what_failed(
    tmp_path, monkeypatch, capsys):
  where, lines = toy.folders(tmp_path), []

  def execute(line, call):
    lines.append(line)
    if len(lines) == 1:
      return "no luck"
    small = toy_data.shrink(toy.faces(), root, (root.root / "toy").resolve())
    for job in runs.jobs([small]):
      folder = root.root / job.run.folder
      if f"--workdir={folder}" in shlex.split(line):
        plain = runs.plain_config(job.run, root, small)
        for split in job.splits:
          records.save(folder / "eval" / split, records.make(
              {"inversion": {"miou": 0.5}}, config=plain, split=split,
              seconds=1.0))
    return ""

  root = toy.folders(tmp_path / "smoke")
  monkeypatch.setattr(smoke, "execute", execute)
  paths, problems = smoke.run([toy.faces()], where, None)
  assert len(lines) == 2  # of the three counts of labels one failed
  assert problems[0].endswith("no luck")
  assert "configs/nobody/set.py" in problems[1]
  assert "0.5000 (n=1)" in paths[0].read_text()
  assert "[1/1] toy: 2 runs" in capsys.readouterr().out
  assert smoke.run([toy.faces()], where, None)[1] == problems[1:]
  assert len(lines) == 2


def test_smoke_reads_a_line_as_a_shell_would(tmp_path, monkeypatch, capfd):
  calls = []
  monkeypatch.setattr(
      experiment, "train", lambda config, workdir, only, overrides:
      calls.append(
          (config.data.num_labeled, config.stages, str(workdir), only)))
  assert smoke.execute(
      f"mkdir -p '{tmp_path}/a b' && "
      f"semseg-jax train --config={toy.TOY_FACES}:labels=7 "
      "'--config.stages=(\"gan\",)' --workdir=w --stage=gan,encoder",
      table.call) == ""
  assert calls == [(7, ("gan",), "w", ["gan", "encoder"])]
  assert (tmp_path / "a b").is_dir()
  assert "gann" in smoke.execute(
      f"semseg-jax eval --config={toy.TOY_FACES} --config.gann=1 --workdir=w",
      table.call)


@pytest.mark.slow
def test_smoke_of_every_table(tmp_path):
  process = toy.run("--table=all", "--smoke", f"--workdir={tmp_path}",
                    f"--config.data.cache_dir={tmp_path}/cache")
  assert process.returncode == 0, process.stderr[-4000:]
  for name in runs.names():
    lines = csv.DictReader((tmp_path / f"smoke/{name}.csv").open())
    runnable = {(r.name, r.setting) for r in runs.load(name).rows
                if r.config}
    empty = [x for x in lines if x["n"] != "1"
             and (x["method"], x["setting"]) in runnable]
    assert not empty, name

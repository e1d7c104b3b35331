"""Every table at toy size."""

import csv
import json
import pathlib
import shlex

import pytest

from semseg_jax.cli import table_runs
from semseg_jax.cli import table_smoke
from semseg_jax.cli import table_toy
from semseg_jax.data import datasets
from semseg_jax.data import subsets
from semseg_jax.evaluation import record as records
from tests.cli import toy


def test_toy_folder_is_a_data_set_with_all_that_is_asked_for(tmp_path):
  path = table_toy.folder(
      tmp_path / "toy", classes=("rest", "eye", "nose"), channels=1,
      splits=("val", "test", "ood_x"))
  found = datasets.load("folder", data_dir=str(path),
                        cache_dir=str(tmp_path / "cache"))
  assert found.spec.class_names == ("rest", "eye", "nose")
  assert found.spec.channels == 1
  assert {"train_labeled", "unlabeled", "val", "test", "ood_x"} == set(
      found.splits)
  datasets.verify(found, found.splits)
  assert "volume" in found.splits["test"][0]
  labelled, unlabelled = subsets.select(
      found, labels=10, unlabeled=12, split_seed=0)
  assert (len(labelled), len(unlabelled)) == (10, 12)


def test_shrunk_table_has_the_same_graph_at_toy_size(tmp_path):
  where = toy.places(tmp_path)
  small = table_toy.shrink(toy.faces(), where, tmp_path / "toy")
  lines, problems = table_runs.commands([small], where)
  assert len(lines) == 3  # label counts, one seed
  assert len(problems) == 1
  job = next(j for j in table_runs.jobs([small])
             if "semantic_gan" in j.run.config)
  plain = table_runs.plain_config(job.run, where, small)
  assert plain["gan"]["steps"] < 10
  assert plain["data"]["name"] == "folder"
  assert plain["data"]["labels"] == 10
  assert plain["perceptual"]["weights"] == ""
  assert "weights" not in lines[0]


def test_toy_classes_are_those_that_the_columns_score(tmp_path):
  plain = {"data": dict(num_classes=3, channels=3, validation="val",
                        in_domain="test", out_of_domain=(), labels=-1,
                        unlabeled=40)}
  found = table_toy.on_toy_data(plain, ("ood",), ["eye"], tmp_path)
  assert found["data.unlabeled"] == 12
  assert found["data.labels"] == 10
  path = pathlib.Path(found["data.data_dir"])
  assert json.loads((path / "classes.json").read_text())["classes"] == [
      "eye", "class1", "class2"]
  assert (path / "splits/ood.txt").exists()


def test_smoke_does_equal_runs_once_and_names_what_failed(
    tmp_path, monkeypatch, capsys):
  where, lines = toy.places(tmp_path), []

  def execute(line):
    lines.append(line)
    if len(lines) == 1:
      return "no luck"
    small = table_toy.shrink(toy.faces(), root, (root.root / "toy").resolve())
    for job in table_runs.jobs([small]):
      folder = root.root / job.run.folder
      if f"--workdir={folder}" in shlex.split(line):
        plain = table_runs.plain_config(job.run, root, small)
        for split in job.splits:
          records.save(folder / "eval" / split, records.make(
              {"inversion": {"miou": 0.5}}, config=plain, split=split,
              seconds=1.0))
    return ""

  root = toy.places(tmp_path / "smoke")
  monkeypatch.setattr(table_smoke, "execute", execute)
  paths, problems = table_smoke.run([toy.faces()], where)
  assert len(lines) == 2  # of the three counts of labels one failed
  assert problems[0].endswith("no luck")
  assert "configs/nobody/set.py" in problems[1]
  assert "0.5000 (n=1)" in paths[0].read_text()
  assert "[1/1] toy: 2 runs" in capsys.readouterr().out
  assert table_smoke.run([toy.faces()], where)[1] == problems[1:]
  assert len(lines) == 2


def test_smoke_reads_a_line_as_a_shell_would(tmp_path, monkeypatch, capfd):
  found = []
  monkeypatch.setattr(
      table_smoke.experiment, "train", lambda config, workdir, only:
      found.append((config.data.labels, config.stages, str(workdir), only)))
  assert table_smoke.execute(
      f"mkdir -p '{tmp_path}/a b' && "
      f"python train.py --config={toy.PARTS}:labels=7 "
      "'--config.stages=(\"gan\",)' --workdir=w --stage=gan,encoder") == ""
  assert found == [(7, ("gan",), "w", ["gan", "encoder"])]
  assert (tmp_path / "a b").is_dir()
  assert "gann" in table_smoke.execute(
      f"python eval.py --config={toy.PARTS} --config.gann=1 --workdir=w")


@pytest.mark.slow
def test_smoke_of_every_table(tmp_path):
  found = toy.run("--table=all", "--smoke", f"--workdir={tmp_path}",
              f"--override=data.cache_dir={tmp_path}/cache")
  assert found.returncode == 0, found.stderr[-4000:]
  for name in table_runs.names():
    lines = csv.DictReader((tmp_path / f"smoke/{name}.csv").open())
    runnable = {(r.name, r.setting) for r in table_runs.load(name).rows
                if r.config}
    empty = [x for x in lines if x["n"] != "1"
             and (x["method"], x["setting"]) in runnable]
    assert not empty, name

"""Tables of configs/tables and their commands; nothing is trained here."""

import collections
import csv
import dataclasses
import json
import pathlib
import shlex
import subprocess
import sys

import pytest

from configs.semisup import scenes
from semseg_jax.cli import table_actions
from semseg_jax.cli import table_runs
from semseg_jax.cli import table_smoke
from semseg_jax.cli import table_toy
from semseg_jax.data import datasets
from semseg_jax.data import subsets
from semseg_jax.evaluation import paper_table
from semseg_jax.evaluation import record as records

PARTS = "configs/semantic_gan/parts.py"


def toy(**changes):
  return paper_table.parse("toy", dict(
      title="Toy", data=False, seeds=(0,),
      columns=[dict(name=str(k), arguments={"labels": k}) for k in (5, 10)],
      rows=[dict(name="U-Net", config=PARTS, method="supervised",
                 overrides={"stages": ("supervised",)})]) | changes)


def faces():
  """A table that reads files: pictures and converted weights."""
  return toy(
      data=True, seeds=(0, 1),
      columns=[dict(name=str(k), arguments={"labels": k})
               for k in (30, 150, 1500)],
      rows=[dict(name="Ours", method="inversion",
                 config="configs/semantic_gan/celebamask_hq.py",
                 files={"perceptual.weights": "lpips_vgg.safetensors"}),
            dict(name="none", config="configs/nobody/set.py", method="x")])


def places(root, **changes):
  return table_runs.Places(root, **changes)


def finish(table, where, *, train=True, evaluate=True, score=0.5):
  """Leaves what a finished run of each of a table's runs would leave."""
  for job in table_runs.jobs([table]):
    plain = table_runs.plain_config(job.run, where, table)
    folder = where.root / job.run.folder
    stages = job.stages or plain["stages"]
    for stage in stages if train else ():
      (folder / stage).mkdir(parents=True, exist_ok=True)
      (folder / stage / "DONE").write_text(
          json.dumps({"step": plain.get(stage, {}).get("steps", 0)}))
    for split in job.splits if evaluate else ():
      records.save(folder / "eval" / split, records.make(
          {"supervised": {"miou": score}}, config=plain, split=split,
          seconds=1.0))


# Every table file.


@pytest.mark.parametrize("name", table_runs.names())
def test_table_loads_and_states_runs(name):
  table = table_runs.load(name)
  assert table.notes
  found = paper_table.runs(table)
  assert found
  assert len({run.folder for run in found}) == len(found)
  for row in table.rows:
    assert row.config or row.published


@pytest.mark.parametrize("name", table_runs.names())
def test_configs_know_the_arguments(name, tmp_path):
  table = table_runs.load(name)
  for run in paper_table.runs(table):
    config = table_runs.config(run, places(tmp_path), table)
    assert dict(run.arguments)["seed"] == config.seed


def test_unknown_table_lists_the_known_ones():
  with pytest.raises(ValueError, match="no table 'nope'.*semantic_gan_faces"):
    table_runs.load("nope")


def _published(table):
  """{(method, setting, dataset-like key, column key): (value, status)}."""
  found = {}
  for row in table.rows:
    for column, value in zip(table.columns, row.published, strict=False):
      if value is not None:
        found[row.name, row.setting, column.name] = (
            value, row.status, row.source, row.confidence)
  return found


def _expected(table, rows):
  found = {}
  for row in rows:
    value = row["value"]
    value = row["value_recalled_unverified"] if value is None else value
    setting = row["setting"]
    if "RepurposeGAN" in table.paper:
      column, setting = row["metric"].removeprefix("IoU "), row["labels"]
    elif "SemanticGAN" in table.paper:
      column = f"{row['dataset'].rpartition(' (')[0]} @ {row['labels']}"
    else:
      column = str(row["labels"])
    found[row["method"], setting, column] = (
        value, row["status"], row["source"], row["confidence"])
  return found


def test_numbers_agree_with_the_collected_sources(request):
  path = pathlib.Path(
      request.config.getoption("--data-packs")).parent / "papers/tables.json"
  if not path.exists():
    pytest.skip(f"{path}: the collection of published numbers is not here")
  rows = collections.defaultdict(list)
  for row in json.loads(path.read_text())["rows"]:
    rows[row["paper"], row["table"]].append(row)
  papers = ("SemanticGAN (", "s4GAN", "RepurposeGAN")
  left = {k for k in rows if k[0].startswith(papers)}
  for name in table_runs.names():
    table = table_runs.load(name)
    if any(row.published for row in table.rows):
      key = table.paper, table.title
      assert _published(table) == _expected(table, rows[key]), name
      left.remove(key)
  # Nobody knows what these two numbers are of.
  assert [title for _, title in left] == [
      "Leaderboard entries whose benchmark is not named"]


# Commands.


def test_commands_train_then_evaluate_one_line_a_run(tmp_path):
  lines, problems = table_runs.commands([toy()], places(tmp_path))
  assert not problems
  assert len(lines) == 2
  for line, labels in zip(lines, (5, 10), strict=True):
    train, evaluation = line.split(" && ")
    assert train.startswith(f"python train.py --config={PARTS}:labels={labels}")
    assert "'--config.stages=(\"supervised\",)'" in train
    assert evaluation.startswith("python eval.py ")
    assert evaluation.endswith("--split=test")
    assert "data_dir" not in line


def test_finished_runs_are_left_out(tmp_path):
  where, table = places(tmp_path), toy()
  finish(table, where)
  assert table_runs.commands([table], where) == ([], [])
  run = next(iter(paper_table.runs(table)))
  (tmp_path / run.folder / "eval/test/record.json").unlink()
  [line], _ = table_runs.commands([table], where)
  assert line.startswith("python eval.py")
  done = tmp_path / run.folder / "supervised/DONE"
  done.write_text('{"step": 3}')  # of an earlier, shorter config
  [line], _ = table_runs.commands([table], where)
  assert line.startswith("python train.py")


def test_runs_elsewhere_are_left_out(tmp_path):
  table = toy()
  finish(table, places(tmp_path / "mine"))
  where = places(tmp_path / "tables",
                 elsewhere=records.below([tmp_path / "mine"]))
  assert table_runs.commands([table], where) == ([], [])
  assert len(table_runs.commands([table], places(where.root))[0]) == 2


def test_runs_of_several_tables_are_listed_once(tmp_path):
  other = dataclasses.replace(toy(), columns=(
      *toy().columns, paper_table.Column(
          name="ood", split="ood_test", arguments={"labels": 5})))
  lines, _ = table_runs.commands([toy(), other], places(tmp_path))
  assert len(lines) == 2
  assert "--split" not in lines[0]  # both, as the config has them


def test_needed_runs_come_first_and_ready_waits_for_them(tmp_path):
  row = dict(name="r", config=PARTS, method="encoder",
             needs=({"stage": "gan", "config": PARTS},
                    {"stage": "reference", "config": PARTS}))
  where, table = places(tmp_path), toy(rows=[row])
  lines, _ = table_runs.commands([table], where)
  assert len(lines) == 3
  assert lines[0].endswith("--stage=gan,reference")
  assert "eval.py" not in lines[0]
  assert lines[1].startswith("mkdir -p ")
  assert ("ln -sfn ../seed=0/gan "
          f"{tmp_path}/semantic_gan/parts/labels=5,seed=0/gan") in lines[1]
  assert table_runs.commands([table], where, ready=True)[0] == lines[:1]
  needed = next(job for job in table_runs.jobs([table]) if job.stages)
  plain = table_runs.plain_config(needed.run, where, table)
  for stage in needed.stages:
    folder = tmp_path / needed.run.folder / stage
    folder.mkdir(parents=True)
    steps = plain.get(stage, {}).get("steps", 0)
    (folder / "DONE").write_text(json.dumps({"step": steps}))
  assert table_runs.commands([table], where, ready=True)[0] == lines[1:]


def test_links_lead_to_the_needed_stage(tmp_path):
  where = places(tmp_path)
  table = toy(rows=[dict(name="r", config=PARTS, method="x",
                         needs=({"stage": "gan", "config": PARTS},))])
  lines, _ = table_runs.commands([table], where)
  source = tmp_path / "semantic_gan/parts/seed=0/gan"
  source.mkdir(parents=True)
  (source / "DONE").write_text("{}")
  link = lines[1].split(" && python")[0]
  for _ in range(2):  # and again, after an interruption
    subprocess.run(link, shell=True, check=True)
  folder = tmp_path / "semantic_gan/parts/labels=5,seed=0/gan"
  assert (folder / "DONE").read_text() == "{}"


def test_missing_config_is_named_beside_the_other_lines(tmp_path):
  table = toy(rows=[
      dict(name="a", config="configs/nobody/set.py", method="x"),
      dict(name="U-Net", config=PARTS, method="supervised")])
  lines, problems = table_runs.commands([table], places(tmp_path))
  assert len(lines) == 2
  assert problems == [
      "table 'toy' needs the config configs/nobody/set.py, which does not "
      "exist"]


def test_fields_of_the_scoring_alone(tmp_path):
  row = dict(name="r", config=PARTS, method="x", evaluate="-m a.b --draws=5",
             scoring={"evaluation.limit": 7})
  table = toy(rows=[row])
  lines, _ = table_runs.commands([table], places(tmp_path))
  train, evaluation = lines[0].split(" && ")
  assert "limit" not in train
  assert evaluation.startswith(f"python -m a.b --draws=5 --config={PARTS}")
  assert "--config.evaluation.limit=7" in evaluation
  run = next(iter(paper_table.runs(table)))
  plain = table_runs.plain_config(run, places(tmp_path), table)
  assert plain["evaluation"]["limit"] == 7


def test_places_and_changes_reach_the_commands(tmp_path):
  lines, _ = table_runs.commands([faces()], places(
      tmp_path, data="my data", weights="w", overrides={"gan.steps": 7}))
  assert "'--config.data.data_dir=my data'" in lines[0]
  assert "--config.perceptual.weights=w/lpips_vgg.safetensors" in lines[0]
  assert "--config.gan.steps=7" in lines[0]


@pytest.mark.parametrize(("overrides", "message"), [
    ({"gan.stepz": 1}, "no field 'gan.stepz'"),
    ({"gan.steps": "many"}, "gan.steps='many'")])
def test_unknown_fields_are_named(tmp_path, overrides, message):
  with pytest.raises(ValueError, match=f"table 'toy'.*{message}"):
    table_runs.commands([toy()], places(tmp_path, overrides=overrides))


def test_a_record_of_another_config_is_refused(tmp_path):
  where = places(tmp_path)
  finish(toy(), where)
  changed = places(tmp_path, overrides={"supervised.learning_rate": 0.5})
  with pytest.raises(records.RecordMismatchError,
                     match="supervised.learning_rate: 0.002 there, 0.5 now"):
    table_runs.commands([toy()], changed)


# The command line.


def run(*arguments):
  return subprocess.run(
      (sys.executable, "-m", "semseg_jax.cli.table", *arguments),
      cwd=table_runs.ROOT, capture_output=True, text=True, check=False)


def test_command_line_mistakes_are_one_line():
  found = run("--table=nope", "--commands")
  assert found.returncode == 1
  assert found.stderr.strip().splitlines()[-1].startswith(
      "error: no table 'nope'")
  assert "Traceback" not in found.stderr


def test_rendered_into_a_document(tmp_path):
  table = table_runs.load("parts")
  where = places(tmp_path)
  table = dataclasses.replace(table, rows=table.rows[:1], seeds=(0, 1))
  finish(table, where, score=0.25)
  document = tmp_path / "README.md"
  document.write_text("a\n<!-- table:parts -->\n<!-- /table -->\nb\n")
  table_actions.render(table, where, out=tmp_path / "out", into=document)
  text = document.read_text()
  assert text.startswith("a\n<!-- table:parts -->\n\n**Procedural faces")
  assert text.endswith("<!-- /table -->\nb\n")
  assert "0.2500 ± 0.0000 (n=2)" in text
  assert (tmp_path / "out/parts.csv").exists()


def test_a_run_of_fewer_stages_has_what_its_stages_give():
  plain = lambda arg: json.loads(
      scenes.get_config(arg).to_json_best_effort())
  whole, part = plain("method=s4gan_mlmt"), plain("method=s4gan")
  part["mlmt"]["steps"] += 1  # not trained there
  assert records.differences(part, whole)
  assert not table_runs.unlike(part, whole)
  part["segmenter"]["width"] += 1
  part["fusion"]["tau"] = 0.5
  assert [x[0] for x in table_runs.unlike(part, whole)] == [
      "fusion.tau", "segmenter.width"]
  part["stages"] = ["gann"]
  assert table_runs.unlike(part, whole)
  # Has a module of that name, but no stage.
  other = whole | {"method": "repurpose_gan"}
  assert table_runs.unlike(whole | {"stages": ["shots"]}, other)


def test_all_tables_of_a_document_are_those_with_a_block(tmp_path):
  document = tmp_path / "README.md"
  document.write_text("<!-- table:wbc -->\n<!-- /table -->\n")
  tables = [table_runs.load(name) for name in ("parts", "wbc")]
  assert table_actions.with_block(tables, document) == tables[1:]


def test_only_chosen_rows_and_seeds_are_run():
  table = table_runs.load("semantic_gan_faces")
  found = table_actions.chosen(table, rows=["Ours"], seeds=[7])
  assert len(found.rows) == len(table.rows)
  assert [r.argument for r in paper_table.runs(found)] == [
      f"labels={n},seed=7" for n in (30, 150, 1500)]
  with pytest.raises(ValueError, match="has no row 'Theirs'.*GCT"):
    table_actions.chosen(table, rows=["Theirs"], seeds=[])


def test_overrides_are_read_as_python_or_text():
  assert table_actions.overrides(["a.b=3", "c=(1, 2)", "d=x/y", "e=0.5"]) == {
      "a.b": 3, "c": (1, 2), "d": "x/y", "e": 0.5}
  with pytest.raises(ValueError, match="FIELD=VALUE"):
    table_actions.overrides(["steps"])


# Toy size.


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
  where = places(tmp_path)
  small = table_toy.shrink(faces(), where, tmp_path / "toy")
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
  where, lines = places(tmp_path), []

  def execute(line):
    lines.append(line)
    if len(lines) == 1:
      return "no luck"
    small = table_toy.shrink(faces(), root, (root.root / "toy").resolve())
    for job in table_runs.jobs([small]):
      folder = root.root / job.run.folder
      if f"--workdir={folder}" in shlex.split(line):
        plain = table_runs.plain_config(job.run, root, small)
        for split in job.splits:
          records.save(folder / "eval" / split, records.make(
              {"inversion": {"miou": 0.5}}, config=plain, split=split,
              seconds=1.0))
    return ""

  root = places(tmp_path / "smoke")
  monkeypatch.setattr(table_smoke, "execute", execute)
  paths, problems = table_smoke.run([faces()], where)
  assert len(lines) == 2  # of the three counts of labels one failed
  assert problems[0].endswith("no luck")
  assert "configs/nobody/set.py" in problems[1]
  assert "0.5000 (n=1)" in paths[0].read_text()
  assert "[1/1] toy: 2 runs" in capsys.readouterr().out
  assert table_smoke.run([faces()], where)[1] == problems[1:]
  assert len(lines) == 2


def test_smoke_reads_a_line_as_a_shell_would(tmp_path, monkeypatch, capfd):
  found = []
  monkeypatch.setattr(
      table_smoke.experiment, "train", lambda config, workdir, only:
      found.append((config.data.labels, config.stages, str(workdir), only)))
  assert table_smoke.execute(
      f"mkdir -p '{tmp_path}/a b' && python train.py --config={PARTS}:labels=7 "
      "'--config.stages=(\"gan\",)' --workdir=w --stage=gan,encoder") == ""
  assert found == [(7, ("gan",), "w", ["gan", "encoder"])]
  assert (tmp_path / "a b").is_dir()
  assert "gann" in table_smoke.execute(
      f"python eval.py --config={PARTS} --config.gann=1 --workdir=w")


@pytest.mark.slow
def test_smoke_of_every_table(tmp_path):
  found = run("--table=all", "--smoke", f"--workdir={tmp_path}",
              f"--override=data.cache_dir={tmp_path}/cache")
  assert found.returncode == 0, found.stderr[-4000:]
  for name in table_runs.names():
    lines = csv.DictReader((tmp_path / f"smoke/{name}.csv").open())
    runnable = {(r.name, r.setting) for r in table_runs.load(name).rows
                if r.config}
    empty = [x for x in lines if x["n"] != "1"
             and (x["method"], x["setting"]) in runnable]
    assert not empty, name

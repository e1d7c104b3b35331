"""Tables of configs/tables and their commands; nothing is trained here."""

import collections
import dataclasses
import json
import pathlib
import subprocess
from unittest import mock

from absl import flags
import pytest

from configs.semantic_gan import toy_faces
from configs.semisup import scenes
from semseg_jax.cli import eval as command
from semseg_jax.evaluation import record as records
from semseg_jax.tables import definition
from semseg_jax.tables import render
from semseg_jax.tables import runs
from tests.tables import toy

# Every table file.


@pytest.mark.parametrize("name", runs.names())
def test_table_loads_and_states_runs(name):
  table = runs.load(name)
  assert table.notes
  listed = definition.runs(table)
  assert listed
  assert len({run.folder for run in listed}) == len(listed)
  for run in listed:
    script, *given = run.evaluate.split()
    assert script == "eval"
    values = flags.FlagValues()
    command.define_flags(values, [])
    values([script, *given, "--workdir=x"])
    assert callable(command.chosen(values)[0])
  for row in table.rows:
    assert row.config or row.published


@pytest.mark.parametrize("name", runs.names())
def test_configs_know_the_arguments(name, tmp_path):
  table = runs.load(name)
  for run in definition.runs(table):
    config = runs.config(run, toy.folders(tmp_path), table)
    assert dict(run.arguments)["seed"] == config.seed


def test_unknown_table_lists_the_known_ones():
  with pytest.raises(ValueError, match="no table 'nope'.*semantic_gan_faces"):
    runs.load("nope")


def _published(table):
  """{(method, setting, dataset-like key, column key): (value, status)}."""
  numbers = {}
  for row in table.rows:
    for column, value in zip(table.columns, row.published, strict=False):
      if value is not None:
        numbers[row.name, row.setting, column.name] = (
            value, row.status, row.source, row.confidence)
  return numbers


def _expected(table, rows):
  numbers = {}
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
    numbers[row["method"], setting, column] = (
        value, row["status"], row["source"], row["confidence"])
  return numbers


@pytest.mark.published
def test_numbers_agree_with_the_collected_sources(request):
  path = pathlib.Path(request.config.getoption("--published"))
  rows = collections.defaultdict(list)
  text = path.read_text().replace("labelled", "labeled")  # as in the configs
  for row in json.loads(text)["rows"]:
    rows[row["paper"], row["table"]].append(row)
  papers = ("SemanticGAN (", "s4GAN", "RepurposeGAN")
  left = {k for k in rows if k[0].startswith(papers)}
  for name in runs.names():
    table = runs.load(name)
    if any(row.published for row in table.rows):
      key = table.paper, table.title
      assert _published(table) == _expected(table, rows[key]), name
      left.remove(key)
  # Nobody knows what these two numbers are of.
  assert [title for _, title in left] == [
      "Leaderboard entries whose benchmark is not named"]


# Commands.


def test_commands_train_then_evaluate_one_line_a_run(tmp_path):
  lines, problems = runs.commands([toy.table()], toy.folders(tmp_path))
  assert not problems
  assert len(lines) == 2
  for line, labels in zip(lines, (5, 10), strict=True):
    train, evaluation = line.split(" && ")
    assert train.startswith(
        f"semseg-jax train --config={toy.TOY_FACES}:labels={labels}")
    assert "'--config.stages=(\"supervised\",)'" in train
    assert evaluation.startswith("semseg-jax eval ")
    assert evaluation.endswith("--split=test")
    assert "data_dir" not in line


def test_finished_runs_are_left_out(tmp_path):
  where, table = toy.folders(tmp_path), toy.table()
  toy.finish(table, where)
  assert runs.commands([table], where) == ([], [])
  run = next(iter(definition.runs(table)))
  (tmp_path / run.folder / "eval/test/record.json").unlink()
  [line], _ = runs.commands([table], where)
  assert line.startswith("semseg-jax eval ")
  done = tmp_path / run.folder / "supervised/DONE"
  done.write_text('{"step": 3}')  # of an earlier, shorter config
  [line], _ = runs.commands([table], where)
  assert line.startswith("semseg-jax train ")


def test_runs_elsewhere_are_left_out(tmp_path):
  table = toy.table()
  toy.finish(table, toy.folders(tmp_path / "mine"))
  where = toy.folders(tmp_path / "tables",
                 elsewhere=records.below([tmp_path / "mine"]))
  assert runs.commands([table], where) == ([], [])
  assert len(runs.commands([table], toy.folders(where.root))[0]) == 2


def test_records_elsewhere_are_those_that_render(tmp_path):
  """Also of a run of more stages; not those without a row's method."""
  mine, table = toy.folders(tmp_path / "mine"), toy.table()
  toy.finish(dataclasses.replace(table, rows=(dataclasses.replace(
      table.rows[0], overrides={"stages": ("supervised", "gan")}),)), mine)
  where = toy.folders(tmp_path / "tables",
                      elsewhere=records.below([mine.root]))
  assert runs.commands([table], where) == ([], [])
  other = dataclasses.replace(table, rows=(
      *table.rows, dataclasses.replace(table.rows[0], name="b", method="b")))
  assert len(runs.commands([other], where)[0]) == 2


def test_runs_of_several_tables_are_listed_once(tmp_path):
  other = dataclasses.replace(toy.table(), columns=(
      *toy.table().columns, definition.Column(
          name="ood", split="ood_test", arguments={"labels": 5})))
  lines, _ = runs.commands([toy.table(), other], toy.folders(tmp_path))
  assert len(lines) == 2
  assert "--split" not in lines[0]  # both, as the config has them


def test_needed_runs_come_first_and_ready_waits_for_them(tmp_path):
  row = dict(name="r", config=toy.TOY_FACES, method="encoder",
             needs=({"stage": "gan", "config": toy.TOY_FACES},
                    {"stage": "fully_supervised", "config": toy.TOY_FACES}))
  where, table = toy.folders(tmp_path), toy.table(rows=[row])
  lines, _ = runs.commands([table], where)
  assert len(lines) == 3
  assert lines[0].endswith("--stage=gan,fully_supervised")
  assert " eval " not in lines[0]
  assert lines[1].startswith("mkdir -p ")
  assert ("ln -sfn ../seed=0/gan "
          f"{tmp_path}/semantic_gan/toy_faces/labels=5,seed=0/gan") in lines[1]
  assert runs.commands([table], where, ready=True)[0] == lines[:1]
  needed = next(job for job in runs.jobs([table]) if job.stages)
  plain = runs.plain_config(needed.run, where, table)
  for stage in needed.stages:
    folder = tmp_path / needed.run.folder / stage
    folder.mkdir(parents=True)
    steps = plain.get(stage, {}).get("steps", 0)
    (folder / "DONE").write_text(json.dumps({"step": steps}))
  assert runs.commands([table], where, ready=True)[0] == lines[1:]


def test_a_needed_run_without_records_is_left_out_where_nobody_waits(tmp_path):
  table = toy.table(rows=[dict(
      name="r", config=toy.TOY_FACES, method="supervised",
      needs=({"stage": "gan", "config": toy.TOY_FACES, "field": "labels.run",
              "arguments": {"labels": 0, "seed": 0}},))])
  toy.finish(table, toy.folders(tmp_path / "mine"))
  where = toy.folders(tmp_path / "tables",
                      elsewhere=records.below([tmp_path / "mine"]))
  assert runs.commands([table], where) == ([], [])
  record = next((tmp_path / "mine").rglob("labels=10*/eval/test/record.json"))
  record.unlink()
  where = toy.folders(where.root, elsewhere=records.below([tmp_path / "mine"]))
  lines, _ = runs.commands([table], where)
  assert [("labels=0" in x, "labels=10" in x) for x in lines] == [
      (True, False), (True, True)]


def test_links_lead_to_the_needed_stage(tmp_path):
  where = toy.folders(tmp_path)
  table = toy.table(rows=[dict(name="r", config=toy.TOY_FACES, method="x",
                          needs=({"stage": "gan", "config": toy.TOY_FACES},))])
  lines, _ = runs.commands([table], where)
  source = tmp_path / "semantic_gan/toy_faces/seed=0/gan"
  source.mkdir(parents=True)
  (source / "DONE").write_text("{}")
  link = lines[1].split(" && semseg-jax")[0]
  for _ in range(2):  # and again, after an interruption
    subprocess.run(link, shell=True, check=True)
  folder = tmp_path / "semantic_gan/toy_faces/labels=5,seed=0/gan"
  assert (folder / "DONE").read_text() == "{}"


def test_a_field_may_name_the_needed_runs_folder(tmp_path):
  table = toy.table(rows=[dict(
      name="r", config=toy.TOY_FACES, method="x",
      needs=({"stage": "gan", "config": toy.TOY_FACES, "field": "labels.run",
              "arguments": {"labels": 0, "seed": 0}},))])
  lines, _ = runs.commands([table], toy.folders(tmp_path))
  folder = tmp_path / "semantic_gan/toy_faces/labels=0,seed=0"
  assert lines[0].endswith(f"--workdir={folder}")  # all of its own stages
  assert f"--config.labels.run={folder}" in lines[1].split()
  assert "ln -sfn" not in lines[1]


def test_missing_config_is_named_beside_the_other_lines(tmp_path):
  table = toy.table(rows=[
      dict(name="a", config="configs/nobody/set.py", method="x"),
      dict(name="U-Net", config=toy.TOY_FACES, method="supervised")])
  lines, problems = runs.commands([table], toy.folders(tmp_path))
  assert len(lines) == 2
  assert problems == [
      "table 'toy' needs the config configs/nobody/set.py, which does not "
      "exist"]


def test_fields_of_the_scoring_alone(tmp_path):
  row = dict(name="r", config=toy.TOY_FACES, method="x",
             evaluate="eval --trials=5", scoring={"evaluation.limit": 7})
  table = toy.table(rows=[row])
  lines, _ = runs.commands([table], toy.folders(tmp_path))
  train, evaluation = lines[0].split(" && ")
  assert "limit" not in train
  assert evaluation.startswith(
      f"semseg-jax eval --trials=5 --config={toy.TOY_FACES}")
  assert "--config.evaluation.limit=7" in evaluation
  run = next(iter(definition.runs(table)))
  plain = runs.plain_config(run, toy.folders(tmp_path), table)
  assert plain["evaluation"]["limit"] == 7


def test_the_users_values_come_before_a_rows(tmp_path):
  row = dict(name="r", config=toy.TOY_FACES, method="x",
             overrides={"gan.steps": 9}, scoring={"evaluation.limit": 48})
  where = toy.folders(
      tmp_path, overrides={"gan.steps": 7, "evaluation.limit": 8})
  lines, _ = runs.commands([toy.table(rows=[row])], where)
  for part in lines[0].split(" && "):
    assert "--config.gan.steps=7" in part
    assert "--config.evaluation.limit=8" in part
    assert part.count("--config.") == 2


def test_places_and_changes_reach_the_commands(tmp_path):
  lines, _ = runs.commands([toy.faces()], toy.folders(
      tmp_path, data="my data", weights="w", overrides={"gan.steps": 7}))
  assert "'--config.data.data_dir=my data'" in lines[0]
  assert "--config.perceptual.weights=w/lpips_vgg.safetensors" in lines[0]
  assert "--config.gan.steps=7" in lines[0]


@pytest.mark.parametrize(("overrides", "message"), [
    ({"gan.stepz": 1}, "no field 'gan.stepz'"),
    ({"gan.steps": "many"}, "gan.steps='many'")])
def test_unknown_fields_are_named(tmp_path, overrides, message):
  with pytest.raises(ValueError, match=f"table 'toy'.*{message}"):
    runs.commands(
        [toy.table()], toy.folders(tmp_path, overrides=overrides))


def test_a_record_of_another_config_is_refused(tmp_path):
  where = toy.folders(tmp_path)
  toy.finish(toy.table(), where)
  changed = toy.folders(tmp_path, overrides={"supervised.learning_rate": 0.5})
  with pytest.raises(records.RecordMismatchError,
                     match="supervised.learning_rate: 0.002 there, 0.5 now"):
    runs.commands([toy.table()], changed)


# The command line.


def test_command_line_mistakes_are_one_line():
  process = toy.run("--table=nope", "--commands")
  assert process.returncode == 1
  assert process.stderr.strip().splitlines()[-1].startswith(
      "error: no table 'nope'")
  assert "Traceback" not in process.stderr


def test_rendered_into_a_document(tmp_path, no_room):
  table = runs.load("toy_faces")
  where = toy.folders(tmp_path)
  table = dataclasses.replace(table, rows=table.rows[:1], seeds=(0, 1))
  toy.finish(table, where, score=0.25)
  document = tmp_path / "README.md"
  document.write_text("a\n<!-- table:toy_faces -->\n<!-- /table -->\nb\n")
  render.from_records(table, where, out=tmp_path / "out", into=document)
  text = document.read_text()
  assert text.startswith("a\n<!-- table:toy_faces -->\n\n**Procedural faces")
  assert text.endswith("<!-- /table -->\nb\n")
  assert "0.2500 ± 0.0000 (n=2)" in text
  assert (tmp_path / "out/toy_faces.csv").exists()
  again = lambda: render.from_records(
      table, where, out=tmp_path / "out", into=document)
  with no_room(), pytest.raises(OSError, match="large"):
    again()
  assert (tmp_path / "out/toy_faces.md").read_text().startswith("# Procedural")
  with mock.patch.object(render, "write", return_value=[]), no_room(), (
      pytest.raises(OSError, match="large")):
    again()
  assert document.read_text() == text


def test_a_block_is_kept_where_there_is_no_record(tmp_path):
  document = tmp_path / "README.md"
  text = "<!-- table:toy_faces -->\n| a | table |\n<!-- /table -->\n"
  document.write_text(text)
  process = toy.run("--table=toy_faces", "--render", f"--into={document}",
                    f"--workdir={tmp_path}/mistyped")
  assert process.returncode == 1
  assert "toy_faces: no record below" in process.stderr
  assert document.read_text() == text


def test_a_run_of_fewer_stages_has_what_its_stages_give():
  plain = lambda arg: json.loads(
      scenes.get_config(arg).to_json_best_effort())
  whole, part = plain("method=s4gan_mlmt"), plain("method=s4gan")
  part["mlmt"]["steps"] += 1  # not trained there
  assert records.differences(part, whole)
  assert not runs.unlike(part, whole)
  part["segmenter"]["width"] += 1
  part["fusion"]["tau"] = 0.5
  assert [x[0] for x in runs.unlike(part, whole)] == [
      "fusion.tau", "segmenter.width"]
  part["stages"] = ["gann"]
  assert runs.unlike(part, whole)
  # Has a module of that name, but no stage.
  other = whole | {"method": "repurpose_gan"}
  assert runs.unlike(whole | {"stages": ["shots"]}, other)


def test_inversion_counts_wherever_images_are_labeled_by_it():
  plain = lambda: json.loads(
      toy_faces.get_config().to_json_best_effort())
  part, whole = plain(), plain()
  part["stages"] = ["gan", "encoder"]
  whole["stages"] = ["gan", "encoder", "distilled"]
  whole["distilled"]["steps"] += 1
  assert not runs.unlike(whole, part)
  whole["inversion"]["steps"] += 1
  assert [x[0] for x in runs.unlike(whole, part)] == ["inversion.steps"]


def test_all_tables_of_a_document_are_those_with_a_block(tmp_path):
  document = tmp_path / "README.md"
  document.write_text("<!-- table:wbc -->\n<!-- /table -->\n")
  tables = [runs.load(name) for name in ("toy_faces", "wbc")]
  assert render.with_block(tables, document) == tables[1:]


def test_only_chosen_rows_and_seeds_are_run():
  table = runs.load("semantic_gan_faces")
  chosen = runs.chosen(table, rows=["Ours"], seeds=[7])
  assert len(chosen.rows) == len(table.rows)
  assert [r.argument for r in definition.runs(chosen)] == [
      f"labels={n},seed=7" for n in (30, 150, 1500)]
  with pytest.raises(ValueError, match="has no row 'Theirs'.*'GCT'"):
    runs.chosen(table, rows=["Theirs"], seeds=[])

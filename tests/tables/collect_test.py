import csv
import dataclasses
import json

import pytest

from semseg_jax.evaluation import record as records
from semseg_jax.tables import collect
from semseg_jax.tables import definition
from semseg_jax.tables import render

COLUMNS = [
    dict(name=f"{group} @ {count}", split=split, labels=count, group=group,
         domain=domain, arguments={"labels": count})
    for count in (10, 100)
    for group, split, domain in (("A", "test", "in"), ("B", "ood", "out"))]
ROWS = [
    dict(name="base", config="configs/m/set.py", method="supervised",
         baseline=True, published=(0.4, 0.2, 0.6, 0.4), source="S"),
    dict(name="ours", config="configs/m/set.py", method="encoder",
         published=(0.5, 0.4, 0.7, 0.6), source="S", note="a note"),
    dict(name="heard", published=(0.9, None, 0.9, 0.9), source="M",
         status="recalled"),
    dict(name="later", config="configs/m/absent.py", method="x")]
SOURCES = {"S": "a page", "M": "memory"}


def toy(**changes):
  return definition.parse("toy", dict(
      title="Toy", columns=COLUMNS, rows=ROWS, sources=SOURCES,
      seeds=(0, 1, 2)) | changes)


def config_of(run):
  if "absent" in run.config:
    raise FileNotFoundError(run.config)
  arguments = dict(run.arguments)
  return {"seed": arguments["seed"], "gan": {"steps": 8},
          "data": {"labels": arguments["labels"], "data_dir": "here"}}


def write(root, run, split, values, *, config=None, finished=8):
  """A record with mIoU of each method; `values` = {method: mIoU}."""
  records.save(root / run.folder / "eval" / split, records.make(
      {m: {"miou": v, "per_class_iou": {"eye": None}}
       for m, v in values.items()},
      config=config or config_of(run), split=split, seconds=1.0,
      extra={"finished_steps": {"gan": finished}}))


@pytest.fixture
def filled(tmp_path):
  table = toy()
  for run in definition.runs(table):
    arguments = dict(run.arguments)
    if "absent" in run.config or arguments["seed"] == 2:
      continue
    up = 0.1 * (arguments["labels"] == 100) + 0.02 * arguments["seed"]
    write(tmp_path, run, "test", {"supervised": 0.5 + up, "encoder": 0.6 + up})
    if arguments["labels"] == 10:
      write(tmp_path, run, "ood", {"supervised": 0.2, "encoder": 0.4})
  return table, tmp_path


def test_mean_spread_and_number_of_seeds(filled):
  results = collect.results(filled[0], config_of, filled[1])
  cell = results.cells[1][0]
  assert cell.mean == pytest.approx(0.61)
  assert cell.spread == pytest.approx(0.02 / 2 ** 0.5)
  assert len(cell.values) == 2
  assert cell.published == 0.5
  assert results.cells[1][3].mean is None
  assert results.missing_configs == ("configs/m/absent.py",)


def test_a_run_counts_once_in_a_cell(filled):
  rows = [dict(ROWS[0], arguments={"seed": 1})]
  cell = collect.results(toy(rows=rows), config_of, filled[1]).cells[0][0]
  assert cell.values == (0.52,)
  assert cell.spread is None


def test_rows_say_what_is_pretrained(filled):
  def with_backbone(run):
    return config_of(run) | {"segmenter": {"backbone": "net", "weights": ""}}

  results = collect.results(filled[0], with_backbone, filled[1] / "none")
  assert results.pretrained == ("ImageNet net", "", None, None)
  lines = render.markdown(results).splitlines()
  cells = [line.split("|")[3].strip() for line in lines[:6]]
  assert cells[0] == "Pretrained"
  assert cells[2:] == ["ImageNet net", "no", "", ""]


def test_repetitions_within_a_run_are_values_of_its_cell(tmp_path):
  table = toy(seeds=(0,), spread_over="trials", columns=[
      dict(COLUMNS[0], metric="shots1.miou")], rows=[
          dict(ROWS[0], published=())])
  run = next(iter(definition.runs(table)))
  write(tmp_path, run, "test", {"supervised": 0.5})
  path = tmp_path / run.folder / "eval/test/record.json"
  stored = json.loads(path.read_text())
  stored["methods"]["supervised"] = {"shots1": {"miou": [0.25, None, 0.75]}}
  path.write_text(json.dumps(stored))
  results = collect.results(table, config_of, tmp_path)
  assert results.cells[0][0].values == (0.25, 0.75)
  assert "(n trials)" in render.markdown(results)


def test_block_leaves_out_what_has_no_number(filled):
  table = dataclasses.replace(filled[0], rows=tuple(
      dataclasses.replace(row, published=()) for row in filled[0].rows))
  results = collect.results(table, config_of, filled[1])
  text = render.block(results)
  assert text.startswith("**Toy**\n\n| Method")
  heading = next(x for x in text.splitlines() if x.startswith("| Method"))
  assert "B @ 10" in heading
  assert "B @ 100" not in heading
  assert text.endswith("* No record: heard; later; B @ 100.")
  assert "How many times" in text
  same = dataclasses.replace(table, rows=tuple(
      dataclasses.replace(row, method="supervised") for row in table.rows))
  results = collect.results(same, config_of, filled[1])
  assert "<= 1.0" in render.markdown(results)
  assert "How many times" not in render.block(results)
  same = dataclasses.replace(table, rows=tuple(
      dataclasses.replace(row, method="fully_supervised")
      for row in table.rows))
  assert not collect.fewer_labels(results._replace(table=same))


def test_markdown_has_ours_beside_published(filled):
  text = render.markdown(
      collect.results(filled[0], config_of, filled[1]))
  line = next(x for x in text.splitlines() if x.startswith("| ours"))
  assert [c.strip() for c in line.split("|")[3:7]] == [
      "0.6100 ± 0.0141 (n=2) / 0.5000", "0.4000 ± 0.0000 (n=2) / 0.4000",
      "0.7100 ± 0.0141 (n=2) / 0.7000", "- / 0.6000"]
  assert "- / 0.9000?" in text
  assert "recalled, seen in no source" in text
  assert "* ours: a note." in text
  assert "* Source S: a page." in text
  assert "Not runnable yet: there is no configs/m/absent.py." in text


def test_labels_saved_are_stated_for_ours_and_published(filled):
  rows = collect.fewer_labels(
      collect.results(filled[0], config_of, filled[1]))
  assert rows == [
      {"Method": "ours", "Data set": "A (in domain)", "Labels": 10,
       "vs base": "10 / 3.2"},
      {"Method": "ours", "Data set": "B (out of domain)", "Labels": 10,
       "vs base": "> 1.0 / 10"}]


def test_labels_saved_state_the_labels_of_both(filled):
  table = filled[0]
  later = dataclasses.replace(table, rows=(table.rows[0], dataclasses.replace(
      table.rows[1], published=(None, None, 0.7, 0.6))))
  rows = collect.fewer_labels(collect.results(later, config_of, filled[1]))
  assert [row["Labels"] for row in rows] == ["10 / 100"] * 2


def test_csv_has_a_line_for_each_cell(filled):
  results = collect.results(filled[0], config_of, filled[1])
  lines = list(csv.DictReader(render.as_csv(results).splitlines()))
  assert len(lines) == 16
  assert lines[4]["method"] == "ours"
  assert float(lines[4]["mean"]) == pytest.approx(0.61)
  assert (lines[4]["n"], lines[4]["published"], lines[4]["source"]) == (
      "2", "0.5", "S")
  assert lines[7]["mean"] == ""
  assert lines[8]["status"] == "recalled"
  assert lines[9]["published"] == lines[9]["source"] == ""


def test_files_are_written(filled, tmp_path):
  results = collect.results(filled[0], config_of, filled[1])
  paths = render.write(results, tmp_path / "out")
  assert [p.name for p in paths] == ["toy.md", "toy.csv", "toy.png"]
  assert all(p.stat().st_size for p in paths)
  flat = toy(columns=[dict(name="x"), dict(name="y")], rows=[
      dict(name="r", published=(1.0, 2.0), source="S")])
  assert render.plot(
      collect.results(flat, config_of, tmp_path)) is not None
  empty = toy(rows=[ROWS[3]])
  results = collect.results(empty, config_of, tmp_path)
  assert render.plot(results) is None
  assert "| later" in render.markdown(results)


def test_record_from_before_the_training_ended_is_refused(filled):
  table, root = filled
  run = next(iter(definition.runs(table)))
  for finished in (None, 4):
    write(root, run, "test", {"supervised": 0.5}, finished=finished)
    with pytest.raises(collect.UnfinishedError, match="'gan' had not"):
      collect.results(table, config_of, root)
  write(root, run, "test", {"supervised": 0.5, "encoder": 0.5}, finished=0)
  collect.results(table, config_of, root)  # it only computes


def test_steps_of_a_stage_may_be_in_another_block(tmp_path):
  run = definition.Run("configs/m/set.py")
  folder = tmp_path / run.folder / "eval/test"
  for method, stage, block in (
      ("semantic_gan", "fully_supervised", "supervised"),
      ("semantic_gan", "label_head", "few_shot"),
      ("repurpose_gan", "segmenter", "few_shot"),
      ("semisup", "classifier", "mlmt")):
    config = {"method": method, block: {"steps": 8}}
    write = lambda step, config=config, stage=stage: records.save(
        folder, records.make({}, config=config, split="test", seconds=1.0,
                             extra={"finished_steps": {stage: step}}))
    find = lambda run, config=config: collect.find_record(
        tmp_path, run, "test", config)
    write(8)
    assert find(run)
    write(4)
    with pytest.raises(collect.UnfinishedError, match=f"'{stage}' had not"):
      find(run)
    # After the training they were changed, for what is scored.
    assert find(dataclasses.replace(run, scoring=((f"{block}.steps", 8),)))


def test_missing_method_and_metric_are_named(filled):
  table, root = filled
  wrong = toy(rows=[ROWS[1] | {"method": "oracle"}])
  with pytest.raises(ValueError, match="no method 'oracle'.*encoder"):
    collect.results(wrong, config_of, root)
  with pytest.raises(ValueError, match="no metric 'per_class_iou.ear'"):
    collect.results(toy(metric="per_class_iou.ear"), config_of, root)
  # Defined, but None: the class does not occur.
  results = collect.results(
      toy(metric="per_class_iou.eye"), config_of, root)
  assert results.cells[0][0].values == ()


def test_weights_are_compared_by_name_not_by_position():
  there = {"perceptual": {"weights": "/a/lpips.safetensors"}, "data": {}}
  now = {"perceptual": {"weights": "b/lpips.safetensors"},
         "data": {"workers": 3}}
  records.check_config("r", there, now)
  now["perceptual"]["weights"] = ""
  with pytest.raises(records.RecordMismatchError, match="perceptual.weights"):
    records.check_config("r", there, now)


def test_what_was_watched_and_later_methods_do_not_count():
  there = {"stages": ["gan"], "gan": {"steps": 8}, "log": {
      "log_every": 1, "eval_every": 3}, "sharding": "fsdp"}
  now = {"stages": ["gan"], "gan": {"steps": 8}, "log": {
      "log_every": 9, "eval_every": 3}, "mean_teacher": {"steps": 4}}
  assert not records.differences(there, now)
  assert records.differences(there | {"stages": ["mean_teacher"]}, now)
  now["log"]["eval_every"] = 4
  assert records.differences(there, now) == [("log.eval_every", "3", "4")]


def test_runs_elsewhere_count_by_their_config(filled, tmp_path, caplog):
  table, root = filled
  expected = collect.results(table, config_of, root).cells
  moved, empty = tmp_path / "mine", tmp_path / "tables"
  moved.mkdir()
  for i, run in enumerate(definition.runs(table)):
    if (root / run.folder).exists():
      (root / run.folder).rename(moved / f"run{i}")
  (moved / "eval/test").mkdir(parents=True)
  damaged = moved / "eval/test/record.json"
  damaged.write_bytes(b"\xff")
  elsewhere = records.below([moved])
  [warning] = caplog.messages
  assert warning.startswith(f"left out: {damaged} is not a record")
  results = collect.results(table, config_of, empty, elsewhere)
  assert results.cells == expected
  assert not any(c.values for row in collect.results(
      table, config_of, empty).cells for c in row)
  # Only a record with the row's method counts for it.
  less = [x._replace(record=dataclasses.replace(x.record, methods={
      "supervised": x.record.methods["supervised"]})) for x in elsewhere]
  results = collect.results(table, config_of, empty, less)
  assert results.cells[0] == expected[0]
  assert not any(c.values for c in results.cells[1])
  # What is not quite a table's run is named with what differs.
  path = sorted(moved.glob("run*/eval/test/record.json"))[0]
  record = records.load(path.parent)
  record.config["gan"]["steps"] = 9
  records.save(path.parent, dataclasses.replace(
      record, config_hash=records.config_hash(record.config)))
  [line] = collect.near_misses(
      table, config_of, empty, records.below([moved]))
  assert line.startswith(f"{path} is not configs/m/set.py:")
  assert line.endswith(": gan.steps: 9 there, 8 in the table")


def test_kept_records_render_the_table_again(filled, tmp_path, caplog):
  table, root = filled
  run = next(iter(definition.runs(table)))
  record = records.load(root / run.folder / "eval/test")
  record.config["data"]["data_dir"] = "/home/me/packs/set/"
  records.save(root / run.folder / "eval/test", dataclasses.replace(
      record, config_hash=records.config_hash(record.config)))
  results = collect.results(table, config_of, root)
  path = tmp_path / "kept/toy.records.jsonl"
  records.keep(path, results.used)
  assert len(path.read_text().splitlines()) == len(results.used) == 6
  assert "/home" not in path.read_text()
  empty = tmp_path / "none"
  elsewhere = records.below([path.parent])
  again = collect.results(table, config_of, empty, elsewhere)
  assert again.cells == results.cells
  # What is newer comes first, and what is damaged is named.
  newer = dataclasses.replace(
      results.used[0], finished="9999",
      methods={"supervised": {"miou": 0.25}})
  records.save(tmp_path / "mine/eval/test", newer)
  path.write_text(path.read_text() + "{}\n")
  elsewhere = records.below([path.parent, tmp_path / "mine"])
  [warning] = caplog.messages
  assert warning.startswith(f"left out: {path}:7 is not a record")
  cells = collect.results(table, config_of, empty, elsewhere).cells
  assert cells[0][0].values == (0.25, *results.cells[0][0].values[1:])


TEXT = ("a\n<!-- table:one -->\nold\n<!-- /table -->\nb\n"
        "<!-- table:two -->\n<!-- /table -->\nc\n")


def test_blocks_are_replaced_and_nothing_else():
  replaced = render.replace_block(TEXT, "one", r"new \1")
  assert replaced == TEXT.replace("old\n", "\nnew \\1\n\n")
  again = render.replace_block(replaced, "one", "third")
  assert "new" not in again
  assert again.endswith("<!-- table:two -->\n<!-- /table -->\nc\n")


@pytest.mark.parametrize("text", [TEXT + TEXT, "", TEXT.replace("/table", "")])
def test_missing_or_double_markers_are_an_error(text):
  with pytest.raises(ValueError, match="blocks of table 'one'"):
    render.replace_block(text, "one", "new")

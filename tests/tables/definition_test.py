import pytest

from semseg_jax.tables import definition


def fields(**changes):
  return dict(
      title="Toy", columns=[
          dict(name="A @ 5", split="test", arguments={"labels": 5}),
          dict(name="B @ 5", split="ood", arguments={"labels": 5})],
      rows=[
          dict(name="ours", config="configs/m/set.py", method="encoder",
               published=(0.5, None), source="S"),
          dict(name="theirs", published=(0.1, 0.2), source="S")],
      sources={"S": "a page"}) | changes


def test_runs_are_shared_by_columns_and_repeated_by_seeds():
  table = definition.parse("toy", fields(seeds=(0, 4)))
  runs = definition.runs(table)
  assert [r.folder for r in runs] == [
      "m/set/labels=5,seed=0", "m/set/labels=5,seed=4"]
  assert set(runs.values()) == {("test", "ood")}


def test_rows_without_a_config_have_no_run():
  table = definition.parse("toy", fields())
  assert definition.run_of(table.rows[1], table.columns[0], 0) is None


def test_a_needed_run_with_a_seed_serves_all_seeds():
  row = dict(
      name="r", config="configs/m/set.py", method="x",
      overrides={"data.num_labeled": 10, "gan.steps": 4},
      needs=({"stage": "gan", "config": "configs/m/set.py", "field": "a.run",
              "arguments": {"labels": 0, "seed": 0}},))
  table = definition.parse("toy", fields(rows=[row], seeds=(2, 3)))
  needed, *others = definition.runs(table)
  assert needed.argument == "labels=0,seed=0"
  assert needed.overrides == (("gan.steps", 4),)
  assert [r.needs for r in others] == 2 * [
      (definition.Need("gan", needed, "a.run"),)]


def test_needed_runs_come_first_with_the_same_seed():
  row = dict(
      name="r", config="configs/m/set.py", method="x", arguments={"fast": True},
      overrides={"stages": ("a", "b"), "data.name": "c"},
      needs=({"stage": "gan", "config": "configs/m/set.py"},))
  table = definition.parse("toy", fields(rows=[row], seeds=(2,)))
  needed, run = definition.runs(table)
  assert run.needs == (definition.Need("gan", needed),)
  assert needed.argument == "seed=2"
  assert needed.overrides == (("data.name", "c"),)
  assert run.argument == "fast,labels=5,seed=2"
  assert run.folder == "m/set/fast,labels=5,seed=2,stages=a+b"
  # Another config may not have the fields.
  row["needs"] = ({"stage": "gan", "config": "configs/n/set.py"},)
  table = definition.parse("toy", fields(rows=[row], seeds=(2,)))
  assert next(iter(definition.runs(table))).overrides == ()


@pytest.mark.parametrize(("row", "message"), [
    (dict(published=(0.5,), source="S"), "1 published values for 2 columns"),
    (dict(published=(0.5, 1.0), source="T"), "source 'T' is not among"),
    (dict(published=(0.5, 1.0), source="S", status="felt"), "status 'felt'"),
    (dict(published=(0.5, float("nan")), source="S"), "not finite"),
    (dict(config="configs/m/set.py"), "no method"),
    (dict(colour="red"), "colour"),
])
def test_what_is_wrong_is_named(row, message):
  with pytest.raises(ValueError, match=f"table 'toy'.*{message}"):
    definition.parse("toy", fields(rows=[dict(name="r") | row]))


def test_unknown_unit_is_named():
  with pytest.raises(ValueError, match="unit 'pounds'"):
    definition.parse("toy", fields(unit="pounds"))

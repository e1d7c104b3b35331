"""Records of studies and of other generators: whose row each one is."""

import dataclasses

from semseg_jax.evaluation import record as records
from semseg_jax.tables import collect
from semseg_jax.tables import definition
from semseg_jax.tables import render
from tests.tables import collect_test as shared

COLUMNS, ROWS = shared.COLUMNS, shared.ROWS
toy, config_of = shared.toy, shared.config_of


def _with_study():
  """(table of a run's ordinary scores and of its study's, the two runs)."""
  row = dict(ROWS[0], published=())
  table = toy(seeds=(0,), columns=COLUMNS[:1], rows=[row, dict(
      row, name="study", evaluate="eval --study=few_shot --trials=2")])
  ordinary, study = definition.runs(table)
  assert (ordinary.study, study.study) == ("", "few_shot")
  assert ordinary.folder == study.folder
  return table, ordinary, study


def _saved(folder, run, value, **extra):
  records.save(folder / "eval/test", records.make(
      {"supervised": {"miou": value}}, config=config_of(run), split="test",
      seconds=1.0, extra=extra))


def _values(*arguments):
  results = collect.results(*arguments)
  return [row[0].values for row in results.cells]


def test_a_study_and_the_ordinary_evaluation_have_records_of_their_own(
    tmp_path):
  table, ordinary, study = _with_study()
  folder = tmp_path / ordinary.folder
  _saved(folder, ordinary, 0.25)
  assert _values(table, config_of, tmp_path) == [(0.25,), ()]
  _saved(folder / "few_shot", study, 0.75, study="few_shot")
  assert _values(table, config_of, tmp_path) == [(0.25,), (0.75,)]
  elsewhere = records.below([tmp_path])
  assert {x.record.study for x in elsewhere} == {"", "few_shot"}
  for left in ((0.25,), ()), ((), (0.75,)):
    kind = "few_shot" if left[1] else ""
    assert _values(table, config_of, tmp_path / "none", [
        x for x in elsewhere if x.record.study == kind]) == list(left)


def test_a_study_of_a_former_version_is_no_ordinary_evaluation(tmp_path):
  table, ordinary, study = _with_study()
  # That version wrote both to one place.
  _saved(tmp_path / ordinary.folder, study, 0.75, updates=0)
  assert _values(table, config_of, tmp_path) == [(), (0.75,)]
  assert _values(table, config_of, tmp_path / "none", records.below(
      [tmp_path])) == [(), (0.75,)]


def test_a_study_with_other_flags_counts_for_none(tmp_path):
  table, _, study = _with_study()
  folder = tmp_path / study.folder / "few_shot"
  told = dict(study="few_shot", shots=[1, 5], updates=3)
  _saved(folder, study, 0.5, **told, trials=1)
  elsewhere = records.below([tmp_path])
  assert _values(table, config_of, tmp_path) == [(), ()]
  assert _values(table, config_of, tmp_path / "none", elsewhere) == [(), ()]
  [line] = collect.near_misses(
      table, config_of, tmp_path / "none", elsewhere)
  assert line.endswith(": --trials: 1 there, 2 in the table")
  for extra in (told | {"trials": 2}, told):  # a former version kept none
    _saved(folder, study, 0.5, **extra)
    assert _values(table, config_of, tmp_path) == [(), (0.5,)]
  study = dataclasses.replace(
      study, evaluate=f"{study.evaluate} --shots=1,5 --updates=3")
  assert collect.find_record(tmp_path, study, "test", config_of(study))
  study = dataclasses.replace(
      study, evaluate=study.evaluate.replace("1,5", "5,10"))
  assert not collect.find_record(tmp_path, study, "test", config_of(study))


def test_rows_of_different_generators_are_named(tmp_path):
  table = toy(seeds=(0,), columns=COLUMNS[:1], rows=[
      dict(name=name, config="configs/m/set.py", method="supervised",
           arguments={"run": "there", "kind": name}) for name in "abc"])
  # In whatever order a version wrote its fields.
  known = ({"step": 4, "saved_at": 0}, {"saved_at": 0, "step": 4},
           {"step": 8, "saved_at": 0})
  for run, generator in zip(definition.runs(table), known, strict=True):
    _saved(tmp_path / run.folder, run, 0.5, generator=generator)
  results = collect.results(table, config_of, tmp_path)
  assert results.mixed == ("generator: a, b / c",)
  assert "one and the same generator: a, b / c." in render.markdown(results)
  _saved(tmp_path / run.folder, run, 0.5)  # of a former version
  assert not collect.results(table, config_of, tmp_path).mixed


def test_rows_of_different_data_sets_are_named(tmp_path):
  table = toy(seeds=(0,), columns=COLUMNS[:1], rows=[
      dict(name=name, config="configs/m/set.py", method="supervised",
           arguments={"kind": name}) for name in "ab"])
  for run, digits in zip(definition.runs(table), "01", strict=True):
    _saved(tmp_path / run.folder, run, 0.5, data_set={"fingerprint": digits})
  results = collect.results(table, config_of, tmp_path)
  assert "one and the same data set: a / b." in render.markdown(results)

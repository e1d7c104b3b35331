"""Configs of several seeds, and changes of the command line."""

import pathlib

from absl import flags
import pytest

from semseg_jax.cli import arguments

CONFIG = pathlib.Path(__file__).resolve().parents[2] / (
    "configs/semisup/scenes.py")


def test_seed_and_changes():
  config = arguments.seeded_config(f"{CONFIG}:ratio=0.05,smoke", 3, [
      "s4gan.threshold=0.7", "data.data_dir=somewhere"])
  assert (config.seed, config.data.split_seed) == (3, 3)
  assert config.data.num_labeled == 200
  assert config.s4gan.threshold == 0.7
  assert config.data.data_dir == "somewhere"


@pytest.mark.parametrize("change", [
    "s4gan.treshold=0.7", "s4gan.threshold", "s4gan.batch_size=many"])
def test_bad_changes(change):
  with pytest.raises(ValueError, match=f"--config.{change}"):
    arguments.seeded_config(str(CONFIG), 0, [change])


def test_runs_of_several_seeds_are_not_given_one():
  with pytest.raises(ValueError, match="config.seed=3.*--seeds"):
    arguments.seeded_config(str(CONFIG), 0, ["seed=3"])
  with pytest.raises(ValueError, match="config.seed=3.*--seeds"):
    arguments.refuse_seed({"gan.steps": 1, "seed": 3})
  assert arguments.seeded_config(
      str(CONFIG), 0, ["data.split_seed=1"]).data.split_seed == 1


def test_fields_alone_change_the_config_of_the_run():
  fields = ["--workdir=runs/mine", "--config.evaluation.limit=2"]
  config, *rest = arguments.of_run(fields)
  assert config.endswith("/trained_config.py:runs/mine")
  assert rest == fields
  config, *_ = arguments.of_run(["--model=toy_faces", fields[1]])
  assert config.endswith("/trained_config.py:toy_faces")
  for complete in (fields[:1], ["--config=mine.py", *fields]):
    assert arguments.of_run(complete) == complete


def test_a_value_may_follow_after_a_space():
  assert arguments.joined(
      ["x", "--workdir", "a b", "-config", "c", "--model", "--config.a=1",
       "-config.b=2", "-workdir=d", "--workdirs", "e", "--model"]) == [
           "x", "--workdir=a b", "--config=c", "--model=--config.a=1",
           "--config.b=2", "--workdir=d", "--workdirs", "e", "--model"]


def test_missing_config():
  with pytest.raises(OSError, match="absent"):
    arguments.seeded_config("absent.py:smoke", 0)


def test_numbers_of_a_list():
  values = flags.FlagValues()
  flags.DEFINE_list("seeds", [], "Seeds.", flag_values=values)
  values(["x", "--seeds=0,12"])
  assert arguments.numbers(int, "seeds", values) == [0, 12]
  values(["x", "--seeds=0,b"])
  with pytest.raises(SystemExit, match="--seeds=0,b: give whole numbers"):
    arguments.numbers(int, "seeds", values)
  values.seeds = []
  with pytest.raises(SystemExit, match="--seeds=: give whole numbers"):
    arguments.numbers(int, "seeds", values, least=1)


@pytest.mark.parametrize(("given", "said"), [
    ("", "--seeds=: give whole numbers"),
    ("a", "--seeds=a: give whole numbers"),
    ("0,1.5", "--seeds=0,1.5: give whole numbers"),
    ("0,7,00", "--seeds=0,7,0: give each once")])
def test_seeds(given, said):
  values = flags.FlagValues()
  flags.DEFINE_list("seeds", ["0", "1"], "Seeds.", flag_values=values)
  values(["x"])
  assert arguments.seeds(values) == [0, 1]
  values(["x", f"--seeds={given}"])
  with pytest.raises(SystemExit, match=f"^error: .*{said}"):
    arguments.seeds(values)
  if not given:
    assert arguments.seeds(values, least=0) == []


def test_changes_are_read_as_python_or_text():
  assert arguments.changes(["a.b=3", "c=(1, 2)", "d=x/y", "e=0.5"]) == {
      "a.b": 3, "c": (1, 2), "d": "x/y", "e": 0.5}
  with pytest.raises(ValueError, match="FIELD=VALUE"):
    arguments.changes(["steps"])

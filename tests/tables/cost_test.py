"""What tables cost: operations of each phase, and how often it runs."""

import pytest

from semseg_jax.tables import cost
from semseg_jax.tables import definition
from semseg_jax.tables import runs


def test_rows_state_hours_at_the_given_rate():
  one = cost.Cost({"gan": 3e15, "encoder": 6e14}, {})
  [row] = cost.rows([("t", "configs/m/a.py", 10, one)], 1e13)
  assert row["Config"] == "m/a.py"
  assert row["PFLOP of one run"] == "3.6"
  assert row["GPU-hours of all"] == "1"
  assert row["of its stages"] == "gan 3, encoder 0.6"


@pytest.mark.slow
def test_a_whole_run_is_lowered(tmp_path):
  table = definition.parse("toy", dict(
      title="Toy", columns=[dict(name="x", arguments={"labels": 5})],
      seeds=(0, 1), rows=[dict(
          name="r", config="configs/semantic_gan/coffee_leaf.py",
          arguments={"smoke": True}, method="encoder",
          files={"perceptual.weights": "lpips_vgg.safetensors"})]))
  rows, problems = cost.of_tables([table], runs.Folders(tmp_path))
  assert not problems
  [(name, path, count, one)] = rows
  assert (name, path, count) == ("toy", "configs/semantic_gan/coffee_leaf.py",
                                 2)
  assert set(one.stages) == {
      "supervised", "fully_supervised", "gan", "encoder"}
  assert all(value > 0 for value in one.stages.values())
  assert one.phases["gan", "path"][1] == 1
  assert one.phases["gan", "d"][1] == 4

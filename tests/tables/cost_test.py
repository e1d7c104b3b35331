"""What tables cost: operations of each phase, and how often it runs."""

import ml_collections
import pytest

from semseg_jax.cpu import target
from semseg_jax.planning import programs
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


def test_work_is_that_of_a_gpu(monkeypatch):
  class Lowered:
    def cost_analysis(self):
      return {"flops": 1.0 if target.platform() == "gpu" else 0.5}

  program = programs.Program(
      "gan", "d", per_step=1.0, steps=3, batch=4, lower=Lowered)
  monkeypatch.setattr(programs, "training", lambda *_: [program])
  monkeypatch.setattr(programs, "blank", lambda config: config)
  config = ml_collections.ConfigDict()
  assert cost.of_run(config, ["gan"]).stages == {"gan": 3.0}


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
      "supervised", "fully_supervised", "gan", "encoder", "label_head",
      "distilled"}
  assert all(value > 0 for value in one.stages.values())
  assert one.phases["gan", "path"][1] == 1
  assert one.phases["gan", "d"][1] == 4

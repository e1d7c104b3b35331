import functools

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.cli import table_cost
from semseg_jax.cli import table_runs
from semseg_jax.cli import table_toy
from semseg_jax.evaluation import paper_table
from semseg_jax.training import stage as stage_lib

N = 32


class State(struct.PyTreeNode):
  step: jax.Array
  matrix: jax.Array


def stage(load_frozen=lambda: {}):
  """Phase "two" is twice phase "one", and runs every third step."""
  def train_step(state, frozen, batch, rngs, *, phase):
    for _ in range({"one": 1, "two": 2}[phase]):
      state = state.replace(matrix=state.matrix @ batch["x"])
    return state, {}

  return stage_lib.Stage(
      steps=9, load_frozen=load_frozen,
      init=lambda key, frozen: State(jnp.int32(0), jnp.zeros((N, N))),
      phases=lambda step: ("one",) + (("two",) if step % 3 == 0 else ()),
      rngs=lambda key, phase: (), train_step=train_step,
      train_data=lambda start: iter([{"x": np.zeros((N, N), np.float32)}]))


def test_operations_of_each_phase_and_how_often():
  cost = table_cost.stage_cost(stage(), lambda: None)
  assert cost["one"] == (pytest.approx(2 * N ** 3, rel=0.05), 9)
  assert cost["two"] == (pytest.approx(4 * N ** 3, rel=0.05), 3)


def test_what_is_not_trained_is_prepared():
  prepared = []

  def load_frozen():
    if not prepared:
      raise FileNotFoundError("not trained")
    return {"network": np.zeros(3)}

  made = functools.partial(prepared.append, 1)
  assert set(table_cost.stage_cost(stage(load_frozen), made)) == {"one", "two"}
  assert prepared == [1]


def test_a_stage_of_no_steps_costs_nothing():
  assert table_cost.stage_cost(stage()._replace(steps=0), None) == {}


def test_rows_state_hours_at_the_given_rate():
  cost = table_cost.Cost({"gan": 3e15, "encoder": 6e14}, {})
  [row] = table_cost.rows([("t", "configs/m/a.py", 10, cost)], 1e13)
  assert row["Config"] == "m/a.py"
  assert row["PFLOP of one run"] == "3.6"
  assert row["GPU-hours of all"] == "1"
  assert row["of its stages"] == "gan 3, encoder 0.6"


def test_zero_weights_have_the_shapes_of_lpips(tmp_path):
  from semseg_jax import interop
  module, variables = interop.load(
      table_toy.lpips_file(tmp_path / "lpips_vgg.safetensors"))
  distance = jax.eval_shape(
      module.apply, variables, jnp.zeros((2, 32, 32, 3)),
      jnp.zeros((2, 32, 32, 3)))
  assert distance.shape == (2,)


@pytest.mark.slow
def test_a_whole_run_is_lowered_on_toy_data(tmp_path):
  table = paper_table.parse("toy", dict(
      title="Toy", columns=[dict(name="x", arguments={"labels": 5})],
      seeds=(0, 1), rows=[dict(
          name="r", config="configs/semantic_gan/coffee_leaf.py",
          arguments={"smoke": True}, method="encoder",
          files={"perceptual.weights": "lpips_vgg.safetensors"})]))
  rows, problems = table_cost.of_tables([table], table_runs.Folders(tmp_path))
  assert not problems
  [(name, path, count, cost)] = rows
  assert (name, path, count) == ("toy", "configs/semantic_gan/coffee_leaf.py",
                                 2)
  assert set(cost.stages) == {
      "supervised", "fully_supervised", "gan", "encoder"}
  assert all(value > 0 for value in cost.stages.values())
  assert cost.phases["gan", "path"][1] == 1
  assert cost.phases["gan", "d"][1] == 4

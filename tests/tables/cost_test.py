import functools

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.tables import cost
from semseg_jax.tables import definition
from semseg_jax.tables import runs
from semseg_jax.tables import toy_data
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
  phases = cost.stage_cost(stage(), lambda: None)
  assert phases["one"] == (pytest.approx(2 * N ** 3, rel=0.05), 9)
  assert phases["two"] == (pytest.approx(4 * N ** 3, rel=0.05), 3)


def test_what_is_not_trained_is_prepared():
  prepared = []

  def load_frozen():
    if not prepared:
      raise FileNotFoundError("not trained")
    return {"network": np.zeros(3)}

  made = functools.partial(prepared.append, 1)
  assert set(cost.stage_cost(stage(load_frozen), made)) == {"one", "two"}
  assert prepared == [1]


def test_a_stage_of_no_steps_costs_nothing():
  assert cost.stage_cost(stage()._replace(steps=0), None) == {}


def test_rows_state_hours_at_the_given_rate():
  one = cost.Cost({"gan": 3e15, "encoder": 6e14}, {})
  [row] = cost.rows([("t", "configs/m/a.py", 10, one)], 1e13)
  assert row["Config"] == "m/a.py"
  assert row["PFLOP of one run"] == "3.6"
  assert row["GPU-hours of all"] == "1"
  assert row["of its stages"] == "gan 3, encoder 0.6"


def test_zero_weights_have_the_shapes_of_lpips(tmp_path):
  from semseg_jax import interop
  module, variables = interop.load(
      toy_data.lpips_file(tmp_path / "lpips_vgg.safetensors"))
  distance = jax.eval_shape(
      module.apply, variables, jnp.zeros((2, 32, 32, 3)),
      jnp.zeros((2, 32, 32, 3)))
  assert distance.shape == (2,)


@pytest.mark.slow
def test_a_whole_run_is_lowered_on_toy_data(tmp_path):
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

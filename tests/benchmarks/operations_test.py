"""Where a compiled program's time goes."""

import jax
import jax.numpy as jnp
import pytest

from benchmarks.compare import operations


def program(x, kernel):
  def loss(x):
    y = jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jnp.square(jax.lax.fori_loop(
        0, 3, lambda i, z: jnp.sin(z), y).sum((1, 2))).sum()
  return jax.grad(loss)(x), x[0, 0] @ x[0, 0].T


@pytest.fixture(scope="module")
def compiled():
  x, kernel = jnp.ones((2, 32, 32, 8)), jnp.ones((3, 3, 8, 8))
  return jax.jit(program).lower(x, kernel).compile(), (x, kernel)


def test_kinds_are_those_of_what_was_fused(compiled):
  known = operations.described(compiled[0].as_text())
  kinds = {kind for kind, _, _ in known.values()}
  assert {"convolutions", "products", "elementwise"} <= kinds
  (scope,) = {s for k, _, s in known.values()
              if k == "convolutions" and "backward" in s}
  assert scope == "conv_general_dilated, backward"


def test_time_is_that_of_the_operations(compiled):
  run, args = compiled
  table = operations.table(lambda: run(*args), {"p": run}, longest=100)
  times = [t for _, t in table["kinds"]]
  assert min(times) > 0
  assert times == sorted(times, reverse=True)
  assert sum(row[-1] for row in table["longest"]) == pytest.approx(sum(times))
  assert table["longest"][0][0] == "p"
  # A loop lasts as long as what it holds, which is counted itself.
  assert "while" not in {scope for _, scope, *_ in table["longest"]}
  few = operations.table(lambda: run(*args), {"p": run}, longest=2)
  assert len(few["longest"]) == 2


def test_programs_need_names_of_their_own(compiled):
  with pytest.raises(ValueError, match="are both jit_program"):
    operations.table(lambda: None, {"a": compiled[0], "b": compiled[0]})


def test_other_programs_are_left_out(compiled):
  run, args = compiled
  table = operations.table(lambda: run(*args), {})
  assert table["kinds"] == table["longest"] == table["kernels"] == []


def test_what_a_library_computes_is_known_by_its_source():
  line = ('  %cudnn-conv.1 = (bf16[2,8]{1,0}, u8[16]{0}) custom-call(%a, %b), '
          'metadata={op_name="jit(f)/conv8/conv_general_dilated"}')
  known = operations.described(f"HloModule m\nENTRY %main {{\n{line}\n}}\n")
  assert known["cudnn-conv.1"] == (
      "convolutions", "(bf16[2,8], u8[16])", "conv8/conv_general_dilated")

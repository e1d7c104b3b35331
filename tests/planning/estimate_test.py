"""Figures of compiled programs, and what is made of them."""

import math
import types

import jax
import jax.numpy as jnp
import pytest

from semseg_jax.planning import chips
from semseg_jax.planning import estimate
from semseg_jax.planning import kept

COST = estimate.Cost(
    arguments=4e9, temporaries=2e9, output=4e9, reused=3e9, flops=1e12,
    bytes=1e9, collective=2e9)
CHIP = chips.Chip(flops=1e14, memory=16e9, bandwidth=1e12, interconnect=1e11)


def test_a_compiled_programs_figures_are_read():
  x = jax.ShapeDtypeStruct((64, 32), jnp.float32)
  w = jax.ShapeDtypeStruct((32, 16), jnp.float32)
  cost = estimate.cost(jax.jit(jnp.matmul).lower(x, w).compile())
  assert cost.arguments == 4 * (64 * 32 + 32 * 16)
  assert cost.output == 4 * 64 * 16
  assert cost.flops >= 2 * 64 * 32 * 16
  assert cost.collective == 0


@pytest.mark.parametrize(("text", "size"), [
    ("%a = f32[8,4]{1,0} all-reduce(%x), to_apply=%sum", 128),
    ("%a = (f32[2]{0}, bf16[3]{0}) all-reduce(%x, %y)", 14),
    ("%a = bf16[4,2]{1,0:T(8,128)} all-gather-start(%x)", 16),
    ("%a = f32[] all-reduce(%x)", 4),
    ("%a = (f32[2]{0:T(128)}, f32[], /*index=5*/f32[3]{0}) all-reduce(%x, %y)",
     24),
    ("%a = f32[8]{0} add(%x, %y)", 0),
    ("%a = f32[8]{0} all-reduce-done(%b)", 0),
])
def test_collectives_are_counted_by_what_they_return(text, size):
  assert estimate.collectives(text) == (int(size > 0), size)


def test_memory_counts_reused_buffers_once():
  assert COST.memory == 7e9


def test_time_is_that_of_the_slower_resource_and_the_collectives():
  assert estimate.seconds(COST._replace(collective=0), CHIP, 4) == 0.01
  memory_bound = COST._replace(collective=0, bytes=5e10)
  assert estimate.seconds(memory_bound, CHIP, 4) == 0.05
  # A ring of four: 2 * 3/4 of 2 GB at 100 GB/s.
  assert estimate.seconds(COST, CHIP, 4) == pytest.approx(0.04)


def test_scaling_falls_with_devices_and_is_perfect_without_collectives():
  assert estimate.efficiency(COST._replace(collective=0), CHIP, 256) == 1
  falling = [estimate.efficiency(COST, CHIP, n) for n in (1, 4, 64, 256)]
  assert falling == sorted(falling, reverse=True)
  assert falling[0] == 1
  assert falling[-1] < falling[1]


def test_the_largest_batch_fills_the_memory():
  at = lambda n: (n, COST._replace(temporaries=2e9 + 1e9 * n))
  assert estimate.largest_batch(at(2), at(4), CHIP) == 9  # 7 + 9 = 16 GB
  tiny = CHIP._replace(memory=6e9)
  assert estimate.largest_batch(at(2), at(4), tiny) == 0


@pytest.mark.parametrize(("topology", "expected"), [
    ("v5e:2x2", ("v5e", 4)), ("v6e:4x4", ("v6e", 16)),
    ("v5p:2x2x1", ("v5p", 4))])
def test_topologies_are_parsed(topology, expected):
  assert chips.parse(topology) == expected


@pytest.mark.parametrize("topology", ["v5e", "v5e:", "a100:2", "v5e:2x0",
                                      "v5e:2xa"])
def test_unknown_topologies_are_refused(topology):
  with pytest.raises(ValueError, match="--topology"):
    chips.parse(topology)


SHORT = ("RESOURCE_EXHAUSTED: E1000: CompileTimeHbmOom: Ran out of memory on "
         "HBM, the total memory required for HLO temporaries (65.5G) exceeds "
         "available HBM (15.75G). HLO module: jit_step.")


def refused(message):
  """A lowered program that a compiler refuses."""
  def compile():
    raise jax.errors.JaxRuntimeError(message)
  return types.SimpleNamespace(compile=compile, as_text=lambda: message)


def test_a_program_that_does_not_fit_has_a_row():
  cost = estimate.of(refused(SHORT))
  assert cost.memory == 65.5 * 2 ** 30
  assert math.isnan(cost.flops)
  assert math.isnan(estimate.seconds(cost, CHIP, 4))
  with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
    estimate.of(refused("INTERNAL: a fault of the compiler"))


def test_the_largest_batch_is_the_one_that_fits_where_twice_it_does_not():
  short = estimate.of(refused(SHORT))
  assert estimate.largest_batch((2, COST), (4, short), CHIP) == 2
  assert estimate.largest_batch((1, short), (2, short), CHIP) == 0


def test_figures_are_kept_by_the_programs_text(tmp_path, monkeypatch):
  monkeypatch.setattr(kept.importlib.metadata, "version", lambda name: "1")
  compiled = []

  def program(text):
    def compile():
      compiled.append(text)
      raise jax.errors.JaxRuntimeError(SHORT)
    lowered = types.SimpleNamespace(compile=compile, as_text=lambda: text)
    return types.SimpleNamespace(lower=lambda: lowered)

  for text, topology in (("a", "v5e:2x2"), ("a", "v5e:2x2"), ("b", "v5e:2x2"),
                         ("a", "v6e:2x2")):
    cost = kept.cost(program(text), topology, tmp_path)
    assert cost.memory == 65.5 * 2 ** 30
  assert compiled == ["a", "b", "a"]

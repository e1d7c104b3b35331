"""The programs of a config, listed without data, weights or accelerators."""

import importlib.util

import jax
import pytest

from configs.semantic_gan import coffee_leaf
from semseg_jax.ops import conv
from semseg_jax.ops import target
from semseg_jax.planning import chips
from semseg_jax.planning import estimate
from semseg_jax.planning import programs
from semseg_jax.training import mesh as mesh_lib


@pytest.fixture(scope="module")
def config():
  return programs.blank(coffee_leaf.get_config("smoke"))


@pytest.fixture(scope="module")
def mesh():
  return mesh_lib.make(jax.devices()[:1])


def test_every_phase_is_listed_with_how_often_it_runs(config, mesh):
  config.gan.steps = 64
  found = {p.phase: p for p in programs.training(config, "gan", mesh)}
  assert list(found) == ["d", "r1", "g", "path", "ema"]
  assert found["d"].per_step == 1
  assert found["r1"].per_step == 1 / 16
  assert found["path"].per_step == 1 / 4
  assert found["d"].batch == config.gan.batch_size


def test_a_later_stage_needs_no_trained_one(config, mesh):
  phases = programs.training(config, "encoder", mesh)
  assert phases
  assert (phases[0].lower().cost_analysis() or {}).get("flops", 0) > 0


def test_inversion_is_one_step_of_a_chunk(config, mesh):
  (found,) = programs.inversion(config, mesh)
  assert found.batch == config.inversion.batch_size
  assert (found.lower().cost_analysis() or {}).get("flops", 0) > 0


def test_a_plain_gan_has_no_inversion(mesh):
  plain = programs.blank(coffee_leaf.get_config("labels=0,smoke"))
  assert programs.inversion(plain, mesh) == []


def test_batches_are_scaled_and_made_divisible(config):
  assert programs.scaled(config, 2).gan.batch_size == 2 * config.gan.batch_size
  assert programs.batch_for(config, 8).gan.batch_size == 8
  assert programs.batch_for(config, 1) == config


def test_the_target_decides_the_formulation():
  assert conv.formulation() == "phases"
  with target.compiling_for("tpu"):
    assert conv.formulation() == "plain"
  assert conv.formulation() == "phases"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None,
                    reason="libtpu is installed by make test-all")
def test_a_step_compiles_for_a_tpu_slice(config):
  mesh = mesh_lib.make(chips.devices("v5e:2x2"))
  with target.compiling_for("tpu"):
    ema = programs.training(config, "gan", mesh)[-1]
    step, = programs.inversion(config, mesh)
    costs = [estimate.cost(p.lower().compile()) for p in (ema, step)]
  assert costs[0].collective == 0  # every device averages for itself
  for cost in costs:
    assert 0 < cost.memory < chips.CHIPS["v5e"].memory
  # A device of four works on a quarter of the pictures.
  assert costs[1].flops > 0

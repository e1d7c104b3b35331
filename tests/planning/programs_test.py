"""The programs of a config, listed without data, weights or accelerators."""

import copy
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from configs.fewshot_smis import toy_faces as smis_toy_faces
from configs.repurpose_gan import toy_faces
from configs.semantic_gan import chest_xray
from configs.semantic_gan import coffee_leaf
from configs.semisup import scenes
from semseg_jax.cpu import target
from semseg_jax.methods.common import networks
from semseg_jax.planning import chips
from semseg_jax.planning import estimate
from semseg_jax.planning import gradients
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
  phases = {p.phase: p for p in programs.training(config, "gan", mesh)}
  assert list(phases) == ["d", "r1", "g", "path", "ema"]
  assert phases["d"].per_step == 1
  assert phases["r1"].per_step == 1 / 16
  assert phases["path"].per_step == 1 / 4
  assert phases["d"].batch == config.gan.batch_size


def test_a_later_stage_needs_no_trained_one(config, mesh):
  phases = programs.training(config, "encoder", mesh)
  assert phases
  assert (phases[0].lower().cost_analysis() or {}).get("flops", 0) > 0


@pytest.mark.parametrize("stage", ["label_head", "distilled"])
def test_stages_of_a_fitted_head_need_no_trained_one(stage, mesh):
  fitted = programs.blank(chest_xray.get_config("labels=2,smoke"))
  (step,) = programs.training(fitted, stage, mesh)
  assert step.phase == "step"
  assert (step.lower().cost_analysis() or {}).get("flops", 0) > 0


def test_inversion_is_one_step_of_a_chunk(config, mesh):
  (program,) = programs.inversion(config, mesh)
  assert program.per_step == config.inversion.steps
  assert program.batch == config.inversion.batch_size
  assert (program.lower().cost_analysis() or {}).get("flops", 0) > 0


def test_loops_over_microbatches_count_as_often_as_they_run(config, mesh):
  parts = copy.deepcopy(config)
  parts.gan.update(batch_size=8)
  parts.num_microbatches = 4
  d, *_, ema = programs.training(parts, "gan", mesh)
  assert 3 < d.repeats() < 4.01  # all of it but the optimizer's step
  assert ema.repeats() == 1  # no loop


def test_a_converted_file_need_not_be_there(config, mesh):
  other = copy.deepcopy(config)
  other.perceptual.weights = "lpips_vgg.safetensors"
  small, vgg = (programs.inversion(c, mesh)[0].lower().cost_analysis()
                for c in (config, other))
  assert vgg["flops"] > 2 * small["flops"]  # VGG-16 in place of a small Dr


def test_a_plain_gan_has_no_inversion(mesh):
  plain = programs.blank(coffee_leaf.get_config("labels=0,smoke"))
  assert programs.inversion(plain, mesh) == []


def test_stages_on_a_generator_need_no_trained_one(mesh):
  repurpose = programs.blank(toy_faces.get_config("smoke"))
  for name in ("segmenter", "autoshot"):
    program, *_ = programs.training(repurpose, name, mesh)
    assert program.work()[0] > 0
  assert not programs.has_inversion(repurpose)


@pytest.mark.parametrize(("plain", "name"), [
    (toy_faces.get_config("smoke"), "segmenter"),
    (chest_xray.get_config("labels=2,smoke"), "label_head")])
def test_every_device_takes_the_same_image(plain, name, mesh):
  four = jax.sharding.AbstractMesh((4,), mesh.axis_names)
  program, = programs.training(programs.blank(plain), name, four)
  assert program.batch == 1


def test_a_stage_that_trains_nothing_is_left_out(mesh, caplog):
  smis = programs.blank(smis_toy_faces.get_config("smoke"))
  assert programs.training(smis, "shots", mesh) == []
  assert "stage 'shots' is left out" in caplog.text
  (program,) = programs.training(smis, "encoder", mesh)
  assert program.batch == smis.encoder.batch_size


def test_batches_are_scaled_and_made_divisible(config):
  assert programs.scaled(config, 2).gan.batch_size == 2 * config.gan.batch_size
  assert programs.batch_for(config, 8).gan.batch_size == 8
  assert programs.batch_for(config, 1) == config


def test_rows_are_kept_in_a_new_folder(tmp_path):
  subprocess.run(
      (sys.executable, "-m", "semseg_jax", "plan", "--stage=supervised",
       "--config=configs/semantic_gan/toy_faces.py:smoke",
       f"--out={tmp_path}/new/rows.json"),
      cwd=pathlib.Path(__file__).parents[2], capture_output=True, check=True)
  assert json.loads((tmp_path / "new/rows.json").read_text())


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
  # A device of four works on a quarter of the images.
  assert costs[1].flops > 0


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None,
                    reason="libtpu is installed by make test-all")
def test_the_command_plans_and_does_not_compile_twice(tmp_path):
  def plan(out, *topology):
    process = subprocess.run(
        (sys.executable, "-m", "semseg_jax", "plan",
         "--config=configs/semantic_gan/coffee_leaf.py:smoke",
         "--stage=inversion", *(topology or ("--topology=v5e:2x2",)),
         f"--kept={tmp_path}/kept", f"--out={tmp_path}/{out}"),
        cwd=pathlib.Path(__file__).parents[2], capture_output=True, text=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu"}, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads((tmp_path / out).read_text())

  step, search = plan("a.json")
  cached = list((tmp_path / "kept").iterdir())
  assert len(cached) == 2  # the step, and at another batch to find the largest
  times = {path: path.stat().st_mtime_ns for path in cached}
  assert plan("b.json") == [step, search]
  assert times == {p: p.stat().st_mtime_ns for p in cached}
  assert search["ms"] == pytest.approx(step["per_step"] * step["ms"])
  assert search["largest_batch"] > search["batch"]
  # Of another chip's figures, nothing is compiled either.
  other, _ = plan("c.json", "--topology=v5p:2x2", "--compiled_for=v5e:2x2")
  assert times == {p: p.stat().st_mtime_ns for p in cached}
  assert other["gflop"] == step["gflop"]
  assert other["ms"] < step["ms"]
  assert other["of_memory"] < step["of_memory"]


def test_gradients_are_those_of_the_networks_that_a_phase_trains(config):
  phases = gradients.trained(config, "gan")
  generator = networks.generator(config)
  params = jax.eval_shape(
      generator.init, jax.random.key(0),
      jnp.zeros((1, generator.style_dim)))["params"]
  size = lambda tree: sum(x.size for x in jax.tree.leaves(tree))
  assert size(phases["g"]) == size(params)
  assert size(phases["d"]) > 0


def test_one_device_sums_nothing(mesh):
  tree = {"w": jax.ShapeDtypeStruct((64, 3), jnp.float32)}
  cost = gradients.cost(tree, mesh)
  assert (cost.collectives, cost.collective) == (0, 0)
  assert cost.output == 4 * 64 * 3


def test_every_listed_field_is_trained():
  """Fields of states that a change of their stage would leave behind."""
  blank = programs.blank(scenes.get_config("labels=8,method=s4gan,smoke"))
  for name in ("s4gan", "supervised"):
    assert jax.tree.leaves(gradients.trained(blank, name))


def test_sums_of_other_stages_are_refused(config):
  with pytest.raises(ValueError, match="knows the stages gan.*not 'distilled'"):
    gradients.trained(config, "distilled")

r"""Speed of training, phase by phase, and of inversion, of any config.

Each phase is the executable that training runs, on blank images, with random
numbers for what earlier stages or files would give. FLOPs are the compiler's
count; a product of square matrices, timed in the same rounds, gives the
machine's practical peak. A row "mean step" weighs the phases by how often they
run. Stage "inversion" is a whole search of `config.inversion.steps`.

  python -m benchmarks.train_step --stage=gan,inversion --batch=4,8 \
      --config=configs/semantic_gan/celebamask_hq.py:labels=30

--doubling goes on with twice the batch until it does not fit; --rounds=0
compiles and runs nothing; --cpu_time counts processor seconds, on a machine
that does other work (then keep to one core: taskset -c 0).
"""

import functools
import json
import math
import pathlib
import tempfile
import time
from typing import Any
from typing import NamedTuple

from absl import app
from absl import flags
import jax
import jax.numpy as jnp
from ml_collections import config_flags
import numpy as np

from benchmarks import timing
from semseg_jax import stages
from semseg_jax.cpu import startup
from semseg_jax.evaluation import tables
from semseg_jax.methods.semantic_gan import labeling
from semseg_jax.planning import programs
from semseg_jax.training import mesh as mesh_lib
from semseg_jax.training import phases


class Case(NamedTuple):
  """One compiled program.

  Attributes:
    phase: its name.
    per_step: how often it runs in a step, on average.
    images: of one run, each stream's.
    run: () -> None, returns when its work is done.
    seconds: of tracing and compilation.
    flops: the compiler's count for one run.
  """
  phase: str
  per_step: float
  images: int
  run: Any
  seconds: float
  flops: float


def random_like(tree, sharding):
  """Arrays of small positive random numbers in place of shapes."""
  rng = np.random.default_rng(0)

  def draw(x):
    if not jnp.issubdtype(x.dtype, jnp.inexact):
      return np.zeros(x.shape, x.dtype)
    return (0.01 + 0.05 * np.abs(rng.standard_normal(
        x.shape, np.float32))).astype(x.dtype)

  return jax.device_put(jax.tree.map(draw, tree), sharding)


def training(config, name: str, folder) -> list[Case]:
  """The compiled phases of stage `name` of a config on blank images."""
  mesh = mesh_lib.make()
  everywhere = mesh_lib.replicated(mesh)
  stage = stages.of(config, name).make(config, None)
  frozen = random_like(stage.load_frozen(), everywhere)
  batch = mesh_lib.put_batch(next(iter(stage.train_data(0))), mesh)
  key = jax.device_put(jax.random.key(1), everywhere)
  # Each run deletes the state that it is given.
  held = [jax.jit(stage.init, out_shardings=everywhere)(
      jax.random.key(0), frozen)]
  counts, period = programs.frequencies(stage)
  record = pathlib.Path(folder) / "compile.json"
  compiled = phases.Phases(stage, record, mesh, primary=True)
  compiled.compile(list(counts), held[0], frozen, batch, key)

  def run(phase, position):
    held[0], _ = compiled.run(phase, held[0], frozen, batch, key, position)
    jax.block_until_ready(held[0])

  of_phase = json.loads(record.read_text())
  images = max(x.shape[0] for x in jax.tree.leaves(batch))
  return [Case(
      phase, count / period, images,
      functools.partial(run, phase, np.int32(position)),
      of_phase[phase]["seconds"], of_phase[phase]["flops"] or math.nan)
          for phase, (position, count) in counts.items()]


def inversion(config) -> list[Case]:
  """A search of a batch, from the encoder's or the mean latent."""
  c, rows = config.inversion, mesh_lib.batch_sharding(mesh_lib.make())
  started = time.monotonic()
  inverter, shapes = labeling.make_inverter(config, None, rows)
  frozen = random_like(shapes, mesh_lib.replicated(mesh_lib.make()))
  target = np.random.default_rng(0).uniform(-1, 1, (
      c.batch_size, config.data.size, config.data.size,
      config.data.channels)).astype(np.float32)
  mean = None if c.start == "encoder" else np.zeros(
      config.generator.style_dim, np.float32)
  args = frozen, target, np.arange(c.batch_size), jax.random.key(0)
  step = inverter.lower_step(*args, mean=mean)
  flops = phases.flops(step, step.compile()) or math.nan
  run = lambda: inverter.run(*args, mean=mean)
  return [Case("search", 1.0, c.batch_size, run,
               time.monotonic() - started, flops * c.steps)]


def measure(config, name: str, rounds: int, side: int,
            clock=timing.seconds_of) -> list[dict]:
  """A row for each phase of a stage and one for its mean step.

  Args:
    config: any; its data need not be there.
    name: one of its stages, or "inversion".
    rounds: counted runs of each phase.
    side: of the matrices whose product gives the peak.
    clock: of `timing`.
  """
  config = programs.blank(config)
  with tempfile.TemporaryDirectory() as folder:
    cases = (inversion(config) if name == "inversion"
             else training(config, name, folder))
  shared = {"stage": name, "dtype": config.dtype, "batch": cases[0].images}
  rows = [{**shared, "phase": c.phase, "per_step": round(c.per_step, 4),
           "gflop": c.flops / 1e9, "compile_s": c.seconds} for c in cases]
  if not rounds:
    return rows
  product, work = timing.product(side, jnp.dtype(config.dtype))
  times = timing.interleave(
      {c.phase: c.run for c in cases} | {"product": product}, rounds,
      clock=clock)
  peak = work / times["product"].median
  for row, case in zip(rows, cases, strict=True):
    seconds = times[case.phase].median
    row |= {"ms": 1e3 * seconds, "of_peak": case.flops / seconds / peak}
  mean = sum(r["per_step"] * r["ms"] for r in rows)
  work = sum(r["per_step"] * r["gflop"] for r in rows)
  rows.append({
      **shared, "phase": "mean step", "per_step": 1.0, "gflop": work,
      "compile_s": sum(r["compile_s"] for r in rows), "ms": mean,
      "of_peak": 1e12 * work / mean / peak,
      "images_per_second": 1e3 * cases[0].images / mean,
      "peak_mib": timing.peak_memory_mib()})
  return rows


def batches(config, name: str, given, doubling: bool):
  """Configs with the batches that were asked for; endless with `doubling`."""
  block = config[name] if name in config else config.gan
  own = block.get("batch_size", 1)
  asked = [int(n) for n in given] or [own]
  while asked:
    yield programs.scaled(config, asked[0] / own)
    asked = asked[1:] or ([2 * asked[0]] if doubling else [])


def rows_of(config, name, given, doubling, rounds, side, clock):
  """Yields the rows of `measure` for each batch; ends where memory does."""
  for scaled in batches(config, name, given, doubling):
    try:
      yield from measure(scaled, name, rounds, side, clock)
    except jax.errors.JaxRuntimeError as error:
      if "RESOURCE_EXHAUSTED" not in str(error):
        raise
      yield {"stage": name, "phase": "mean step", "dtype": config.dtype,
             "batch": scaled[name].batch_size, "error": "does not fit"}
      return


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"unknown argument {argv[1]!r}")
  given = flags.FLAGS
  said = startup.apply()  # As in training; JAX has not started yet.
  device, shown = jax.devices()[0], []
  clock = timing.processor_seconds_of if given.cpu_time else timing.seconds_of
  for name in given.stage or given.config.stages:
    for row in rows_of(given.config, name, given.batch, given.doubling,
                       given.rounds, given.matmul, clock):
      shown.append(row)
      if given.json:
        print(json.dumps(row), flush=True)
  if not given.json:
    columns = dict.fromkeys(key for row in shown for key in row)
    print(f"XLA: {said}; {device.device_kind}, {startup.cores()} cores, jax "
          f"{jax.__version__}; medians of {given.rounds}\n")
    print(tables.markdown([{
        k: f"{row[k]:.3g}" if isinstance(row.get(k), float)
        else row.get(k, "") for k in columns} for row in shown]))


def define_flags():
  """Not on import: tests import several commands."""
  config_flags.DEFINE_config_file("config", None, "Config file.")
  flags.DEFINE_list("stage", [], "Stages, \"inversion\" among them; empty: "
                    "those of the config.")
  flags.DEFINE_list("batch", [], "Batch sizes; empty: the config's own.")
  flags.DEFINE_bool("doubling", False, "Twice the batch until memory ends.")
  flags.DEFINE_integer("rounds", 5, "Counted runs of each phase.")
  flags.DEFINE_integer("matmul", 2048, "Side of the peak's matrices.")
  flags.DEFINE_bool("cpu_time", False, "Processor seconds; for one core.")
  flags.DEFINE_bool("json", False, "A line of JSON for each row.")


if __name__ == "__main__":
  define_flags()
  flags.mark_flag_as_required("config")
  app.run(main)

r"""Compiles a config for accelerators that are not here and says what it needs.

  semseg-jax plan \
      --config=configs/semantic_gan/celebamask_hq.py:labels=30 \
      --topology=v5e:2x2 --topology=v6e:2x2

Needs libtpu (pip install "semseg_jax[plan]"), no TPU and no data. Without
--topology: FLOPs and bytes of the programs as lowered for a GPU, whose memory
is known only to its own compiler. docs/plan.md explains the columns.
"""

import json
import math
import pathlib

from absl import flags
import tqdm

from semseg_jax import experiment
from semseg_jax.cli import arguments
from semseg_jax.cpu import startup
from semseg_jax.cpu import target
from semseg_jax.evaluation import tables
from semseg_jax.planning import chips
from semseg_jax.planning import estimate
from semseg_jax.planning import gradients
from semseg_jax.planning import kept
from semseg_jax.planning import programs
from semseg_jax.training import mesh as mesh_lib


def stages_of(config):
  """The stages asked for, in order."""
  known = [*config.stages,
           *(["inversion"] if programs.has_inversion(config) else [])]
  unknown = sorted(set(flags.FLAGS.stage) - set(known))
  if unknown:
    raise ValueError(f"--stage={unknown[0]} is none of {', '.join(known)}")
  return [
      n for n in known if not flags.FLAGS.stage or n in flags.FLAGS.stage]


def listed(config, mesh, stages=()):
  """All programs of `stages`, by default of those asked for."""
  listing = []
  for name in stages or stages_of(config):
    listing += (programs.inversion(config, mesh) if name == "inversion"
                else programs.training(config, name, mesh))
  if not listing:
    raise ValueError("no stage is left to plan: name others by --stage")
  return listing


def tpu_rows(config, topology: str) -> list[dict]:
  """A row for each program and one for each stage."""
  name, count = chips.parse(topology)
  compiled_for = flags.FLAGS.compiled_for or topology
  if chips.parse(compiled_for)[1] != count:
    raise ValueError(f"--compiled_for={compiled_for} has not the {count} chips "
                     f"of --topology={topology}")
  chip, mesh = chips.CHIPS[name], mesh_lib.make(chips.devices(compiled_for))
  config = programs.batch_for(config, count)
  with target.compiling_for("tpu"):
    listing = listed(config, mesh)
    bar = tqdm.tqdm(listing, desc=topology)
    costs = [cost_of(p, compiled_for, bar) for p in bar]
    fits = (largest_batches(config, mesh, chip, compiled_for, listing, costs)
            if flags.FLAGS.fit else {})
    rows = [row(topology, p, c, chip, count)
            for p, c in zip(listing, costs, strict=True)]
  return rows + totals(rows, fits)


def gradient_rows(config, topology: str) -> list[dict]:
  """A row for each phase's sum of gradients over the slice."""
  name, count = chips.parse(topology)
  mesh, rows = mesh_lib.make(chips.devices(topology)), []
  for stage in stages_of(config):
    for phase, tree in gradients.trained(config, stage).items():
      cost = gradients.cost(tree, mesh)
      rows.append({
          "topology": topology, "chips": count, "stage": stage, "phase": phase,
          "collectives": cost.collectives,
          "collective_mb": cost.collective / 1e6,
          "ms": 1e3 * estimate.collective_seconds(
              cost.collective, chips.CHIPS[name], count)})
  return rows


def cost_of(program, topology, bar) -> estimate.Cost:
  """A program's figures, those of a loop's body as often as it runs."""
  bar.set_postfix_str(f"compiling {program.stage}/{program.phase}")
  cost = kept.cost(program, topology, flags.FLAGS.kept or (
      startup.cache_folder() / "plan"))
  times = program.repeats()
  return cost._replace(flops=times * cost.flops, bytes=times * cost.bytes,
                       collective=times * cost.collective)


def largest_batches(
    config, mesh, chip, topology, listing, costs) -> dict[str, int]:
  """{stage: global batch that fits}, from compiling a phase at another size.

  The phase that needs the most memory; at half the batch, or at two images a
  chip where there is one. Where the config's own batch does not fit: at one and
  two. Not of a stage that takes one image at a time.
  """
  count, most = mesh.size, {}
  for program, cost in zip(listing, costs, strict=True):
    if program.stage not in most or cost.memory > most[program.stage][1].memory:
      most[program.stage] = (program, cost)
  fits = {}
  bar = tqdm.tqdm(most.items(), desc=f"{topology}, largest batch")
  for stage, (program, cost) in bar:
    local = program.batch / count
    points, sizes = [(local, cost)], [2 if local == 1 else local // 2]
    if math.isnan(cost.flops):
      points, sizes = [], [1, 2]
    for size in sizes:
      smaller = programs.batch_for(
          programs.scaled(config, size / local), count)
      (other,) = [p for p in listed(smaller, mesh, [stage])
                  if p.phase == program.phase]
      points.append((other.batch / count, cost_of(other, topology, bar)))
    points.sort(key=lambda point: point[0])
    if points[0][0] < points[1][0]:
      fits[stage] = count * estimate.largest_batch(*points, chip)
  return fits


def row(topology, program, cost, chip, count) -> dict:
  """One program's figures, per device unless the name says otherwise."""
  time = estimate.seconds(cost, chip, count)
  return {
      "topology": topology, "stage": program.stage, "phase": program.phase,
      "batch": program.batch, "per_step": round(program.per_step, 4),
      "arguments_gb": cost.arguments / 1e9,
      "temporaries_gb": cost.temporaries / 1e9,
      "output_gb": (cost.output - cost.reused) / 1e9,
      "of_memory": cost.memory / chip.memory,
      "gflop": cost.flops / 1e9, "traffic_gb": cost.bytes / 1e9,
      "collectives": cost.collectives,
      "collective_mb": cost.collective / 1e6,
      "ms": time * 1e3,
      "scaling_256": estimate.efficiency(cost, chip, 256)}


def totals(rows, fits) -> list[dict]:
  """A line per stage: the mean step, by how often each phase runs.

  Args:
    rows: of `row`, of one topology.
    fits: {stage: largest batch}.
  """
  lines = []
  for stage in dict.fromkeys(r["stage"] for r in rows):
    mine = [r for r in rows if r["stage"] == stage]
    mean = lambda key, mine=mine: sum(r["per_step"] * r[key] for r in mine)
    ms, batch = mean("ms"), max(r["batch"] for r in mine)
    count = chips.parse(mine[0]["topology"])[1]
    lines.append({
        "topology": mine[0]["topology"], "stage": stage,
        "phase": "search" if stage == "inversion" else "mean step",
        "batch": batch, "per_step": 1.0,
        "of_memory": max(r["of_memory"] for r in mine),
        "gflop": mean("gflop"), "traffic_gb": mean("traffic_gb"),
        "collective_mb": mean("collective_mb"), "ms": ms,
        "images_per_chip_second": batch / count / ms * 1e3,
        "largest_batch": fits.get(stage),
        "scaling_256": ms and mean("ms") / sum(
            r["per_step"] * r["ms"] / r["scaling_256"] for r in mine)})
  return lines


def gpu_rows(config) -> list[dict]:
  """FLOPs and bytes of the programs as lowered, before any compiler."""
  rows = []
  mesh = mesh_lib.make()
  with target.compiling_for("gpu"):
    for program in listed(config, mesh):
      flops, traffic = program.work()
      rows.append({
          "topology": "gpu", "stage": program.stage, "phase": program.phase,
          "batch": program.batch, "per_step": round(program.per_step, 4),
          "gflop": flops / 1e9, "traffic_gb": traffic / 1e9})
  return rows


def plan(config, workdir):
  """Prints the table; for `experiment.run`."""
  del workdir
  given = flags.FLAGS
  for name in ("gradients", "compiled_for"):
    if given[name].value and not given.topology:
      raise ValueError(f"--{name} needs a --topology, such as v5e:2x2")
  for topology in given.topology:  # all before the first compilation
    chips.devices(given.compiled_for or topology)
  if given.out:
    if pathlib.Path(given.out).is_dir():
      raise ValueError(f"--out={given.out} is a folder: give a file in it")
    pathlib.Path(given.out).parent.mkdir(parents=True, exist_ok=True)
  config = programs.blank(config)
  rows = []
  for topology in given.topology or [None]:
    of_topology = (gpu_rows(config) if not topology
                   else gradient_rows(config, topology)
                   if given.gradients else tpu_rows(config, topology))
    print(tables.markdown([
        {k: shown(v) for k, v in r.items()} for r in of_topology]) + "\n",
          flush=True)
    rows += of_topology
  if given.out:
    pathlib.Path(given.out).write_text(json.dumps(rows, indent=1) + "\n")


def shown(value):
  """Three digits; "-" for what is not known."""
  if value is None or isinstance(value, float) and math.isnan(value):
    return "-"
  return f"{value:.3g}" if isinstance(value, float) else value


def define_flags():
  """See --help."""
  arguments.define_run()
  flags.DEFINE_multi_string(
      "topology", [], "Slice to compile for, such as v5e:2x2; repeatable.")
  flags.DEFINE_list(
      "stage", [], "Stages to plan, \"inversion\" among them; empty for all.")
  flags.DEFINE_bool(
      "fit", True, "Find the largest batch that fits: a program more per "
      "stage.")
  flags.DEFINE_bool(
      "gradients", False, "Only the sums of gradients over the chips of "
      "--topology, of the stages gan, encoder, s4gan and supervised: seconds "
      "to compile for any slice.")
  flags.DEFINE_string("out", "", "JSON file for the rows.")
  flags.DEFINE_string(
      "compiled_for", "", "Slice of as many chips whose programs are taken "
      "instead, where they are compiled already: only the chips' figures are "
      "those of --topology.")
  flags.DEFINE_string(
      "kept", "", "Folder for the figures of compiled programs, which are not "
      "compiled again: an interrupted plan continues. By default "
      "~/.cache/semseg_jax/plan.")


def main(argv):
  del argv
  experiment.run(plan, flags.FLAGS.config, "")

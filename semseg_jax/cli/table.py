r"""Tables of results: what to run for them, and the tables themselves.

  semseg-jax table --table=semantic_gan_faces --commands \
      --data=DATA --weights=WEIGHTS | sh
  semseg-jax table --table=semantic_gan_faces --render

--commands prints what is left to do, one shell line a run, runs that others
need first. With --ready only those that can start now, in any order:

  ... --commands --ready | xargs -d '\n' -n 1 -P 4 sh -c
  ... --commands --ready > lines; sbatch --array=1-$(wc -l < lines) \
      --wrap='sh -c "$(sed -n ${SLURM_ARRAY_TASK_ID}p lines)"'

--render writes NAME.md, NAME.csv and NAME.png from records alone; with
--into=README.md also into the block between <!-- table:NAME --> and
<!-- /table -->. Runs that train and eval have left elsewhere count too: with
--runs=FOLDER every record below it that has a run's config is that run's.
--keep=FOLDER puts a table's records into FOLDER/NAME.records.jsonl, without
paths; --runs=FOLDER renders the table from that file, on any machine.
--smoke runs the complete graph at toy size on toy data, with
no file needed. --cost states floating-point operations and GPU-hours.
--table=all means every table (with --into: every one that has a block there),
--table=list lists them.
"""

from collections.abc import Sequence
import functools
import pathlib
import sys

from absl import flags

from semseg_jax.cli import arguments
from semseg_jax.cli import eval as evaluation
from semseg_jax.cli import train
from semseg_jax.cpu import startup
from semseg_jax.evaluation import record as records
from semseg_jax.evaluation import tables as text_tables
from semseg_jax.tables import collect
from semseg_jax.tables import cost
from semseg_jax.tables import render
from semseg_jax.tables import runs
from semseg_jax.tables import smoke
from semseg_jax.training import console
from semseg_jax.training import exits


def define_flags():
  """See --help."""
  flags.DEFINE_list(
      "table", None, "Tables, files of configs/tables; all; or list.")
  flags.DEFINE_bool("commands", False, "Print what is left to run.")
  flags.DEFINE_bool(
      "ready", False, "With --commands: only what needs nothing else.")
  flags.DEFINE_bool("render", False, "Write the tables from records.")
  flags.DEFINE_bool("smoke", False, "Run everything at toy size.")
  flags.DEFINE_bool("cost", False, "State operations and GPU-hours.")
  flags.DEFINE_string(
      "workdir", "runs/tables", "Folder of all tables' runs.")
  flags.DEFINE_multi_string(
      "runs", [], "Folders below which further runs lie, in any order: their "
      "records count where their config is a table's.")
  flags.DEFINE_string(
      "out", None, "Folder for rendered tables; by default --workdir.")
  flags.DEFINE_string(
      "into", None, "With --render: a document with the tables' blocks.")
  flags.DEFINE_string(
      "keep", None, "With --render: a folder for the records of each table.")
  flags.DEFINE_string(
      "data", "data", "Folder that holds the data sets' folders.")
  flags.DEFINE_string(
      "weights", "weights", "Folder that holds converted weights.")
  flags.DEFINE_list("seeds", [], "Seeds instead of the tables'.")
  flags.DEFINE_multi_string(
      "row", [], "Rows to run, by name; the others keep what is published.")
  flags.DEFINE_multi_string(
      "config", [], "--config.FIELD=VALUE changes every config.")
  flags.DEFINE_float(
      "sustained_tflops", 30.0,
      "With --cost: 10^12 operations per second that a GPU is taken to sustain "
      "(an assumption, not a measurement).", lower_bound=1e-6)
  arguments.require("table")


def main(argv):
  del argv
  given = flags.FLAGS
  if given.table == ["list"]:
    print("\n".join(runs.names()))
    return
  if sum((given.commands, given.render, given.smoke, given.cost)) != 1:
    sys.exit("error: give one of --commands, --render, --smoke, --cost")
  for flag, mode in (
      ("ready", "commands"), ("into", "render"), ("keep", "render")):
    if given[flag].value and not given[mode].value:
      sys.exit(f"error: --{flag} is for --{mode} alone")
  console.setup()
  with exits.one_line():
    problems = run()
  if problems:
    sys.exit("\n".join(f"error: {problem}" for problem in problems))


def run() -> list[str]:
  """Does what the flags ask for; returns what could not be done."""
  given = flags.FLAGS
  names = runs.names() if given.table == ["all"] else given.table
  seeds = arguments.seeds(least=0)
  tables = [runs.chosen(runs.load(name), rows=given.row, seeds=seeds)
            for name in names]
  for folder in given.runs:
    if not pathlib.Path(folder).is_dir():
      raise ValueError(f"--runs={folder}: no such folder")
  folders = runs.Folders(
      pathlib.Path(given.workdir), given.data, given.weights,
      arguments.changes(given.config), records.below(given.runs))
  problems, paths = [], []
  if given.commands:
    lines, problems = runs.commands(tables, folders, ready=given.ready)
    print("\n".join(lines), end="\n" if lines else "")
  elif given.cost:
    costs, problems = cost.of_tables(tables, folders)
    if costs:
      print(text_tables.markdown(
          cost.rows(costs, given.sustained_tflops * 1e12)))
      print(f"\nGPU-hours at {given.sustained_tflops:g} sustained TFLOP/s "
            "(assumed).")
  elif given.smoke:
    startup.quick()
    paths, problems = smoke.run(tables, folders, call)
  else:
    out = pathlib.Path(given.out or folders.root)
    into, keep = (pathlib.Path(x) if x else None
                  for x in (given.into, given.keep))
    if into and not into.is_file():
      raise ValueError(f"--into={into}: no such file")
    if into and given.table == ["all"]:
      tables = render.with_block(tables, into)
      if not tables:
        raise ValueError(f"--into={into}: no line <!-- table:NAME --> there")
    for table in tables:
      written = render.from_records(
          table, folders, out=out, into=into, keep=keep)
      if into and into not in written:
        problems.append(f"{table.name}: no record below --workdir or --runs, "
                        f"so {into} keeps the block that it has")
      paths += written
    for table in tables if folders.elsewhere else ():
      for line in collect.near_misses(
          table, functools.partial(
              runs.plain_config, folders=folders, table=table),
          folders.root, folders.elsewhere, runs.unlike):
        print(f"{table.name}: {line}", file=sys.stderr)
  for path in dict.fromkeys(paths):
    print(path)
  return problems


def call(words: Sequence[str]):
  """Does what `semseg-jax WORDS` does, in this process."""
  command = {"train": train, "eval": evaluation}[words[0]]
  values = flags.FlagValues()
  command.define_flags(values, list(words))
  values(words)
  command.work(values)

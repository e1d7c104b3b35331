"""Tables of results: what to run for them, and the tables themselves.

  python -m semseg_jax.cli.table --table=semantic_gan_faces --commands \
      --data=DATA --weights=WEIGHTS | sh
  python -m semseg_jax.cli.table --table=semantic_gan_faces --render

--commands prints what is left to do, one shell line a run, runs that others
need first. With --ready only those that can start now, in any order:

  ... --commands --ready | xargs -d '\n' -n 1 -P 4 sh -c
  ... --commands --ready > lines; sbatch --array=1-$(wc -l < lines) \
      --wrap='sh -c "$(sed -n ${SLURM_ARRAY_TASK_ID}p lines)"'

--render writes NAME.md, NAME.csv and NAME.png from records alone; with
--into=README.md also into the block between <!-- table:NAME --> and
<!-- /table -->. Runs that train.py and eval.py left elsewhere count too: with
--runs=FOLDER every record below it that has a run's config is that run's.
--smoke runs the complete graph at toy size on toy data, with
no file needed. --cost states floating-point operations and GPU-hours.
--table=all means every table (with --into: every one that has a block there),
--table=list lists them.
"""

from semseg_jax.training import xla_flags

xla_flags.apply()  # before jax starts
xla_flags.compile_cache()

import pathlib  # noqa: E402
import sys  # noqa: E402

from absl import app  # noqa: E402
from absl import flags  # noqa: E402

from semseg_jax.cli import table_actions  # noqa: E402
from semseg_jax.cli import table_cost  # noqa: E402
from semseg_jax.cli import table_runs  # noqa: E402
from semseg_jax.cli import table_smoke  # noqa: E402
from semseg_jax.evaluation import record as records  # noqa: E402
from semseg_jax.evaluation import tables as text_tables  # noqa: E402
from semseg_jax.training import console  # noqa: E402

_TABLE = flags.DEFINE_list(
    "table", None, "Tables, files of configs/tables; all; or list.")
_COMMANDS = flags.DEFINE_bool("commands", False, "Print what is left to run.")
_READY = flags.DEFINE_bool(
    "ready", False, "With --commands: only what needs nothing else.")
_RENDER = flags.DEFINE_bool("render", False, "Write the tables from records.")
_SMOKE = flags.DEFINE_bool("smoke", False, "Run everything at toy size.")
_COST = flags.DEFINE_bool("cost", False, "State operations and GPU-hours.")
_WORKDIR = flags.DEFINE_string(
    "workdir", "runs/tables", "Folder of all tables' runs.")
_RUNS = flags.DEFINE_multi_string(
    "runs", [], "Folders below which further runs lie, in any order: their "
    "records count where their config is a table's.")
_OUT = flags.DEFINE_string(
    "out", None, "Folder for rendered tables; by default --workdir.")
_INTO = flags.DEFINE_string(
    "into", None, "With --render: a document with the tables' blocks.")
_DATA = flags.DEFINE_string(
    "data", "data", "Folder that holds the data sets' folders.")
_WEIGHTS = flags.DEFINE_string(
    "weights", "weights", "Folder that holds converted weights.")
_SEEDS = flags.DEFINE_list("seeds", [], "Seeds instead of the tables'.")
_ROWS = flags.DEFINE_multi_string(
    "row", [], "Rows to run, by name; the others keep what is published.")
_OVERRIDE = flags.DEFINE_multi_string(
    "override", [], "FIELD=VALUE for every config, e.g. gan.steps=1000.")
_TFLOPS = flags.DEFINE_float(
    "sustained_tflops", 30.0,
    "With --cost: 10^12 operations per second that a GPU is taken to sustain "
    "(an assumption, not a measurement).", lower_bound=1e-6)


def main(argv):
  if len(argv) > 1:
    sys.exit(f"error: unknown argument {argv[1]!r}")
  if _TABLE.value == ["list"]:
    print("\n".join(table_runs.names()))
    return
  actions = [f for f in (_COMMANDS, _RENDER, _SMOKE, _COST) if f.value]
  if len(actions) != 1:
    sys.exit("error: give one of --commands, --render, --smoke, --cost")
  console.setup()
  try:
    problems = run()
  except (OSError, ValueError) as error:
    sys.exit(f"error: {error}")
  if problems:
    sys.exit("\n".join(f"error: {problem}" for problem in problems))


def run() -> list[str]:
  """Does what the flags ask for; returns what could not be done."""
  names = table_runs.names() if _TABLE.value == ["all"] else _TABLE.value
  seeds = [int(s) for s in _SEEDS.value]
  tables = [table_actions.chosen(table_runs.load(name), rows=_ROWS.value,
                                 seeds=seeds) for name in names]
  folders = table_runs.Folders(
      pathlib.Path(_WORKDIR.value), _DATA.value, _WEIGHTS.value,
      table_actions.overrides(_OVERRIDE.value),
      records.below(_RUNS.value))
  problems, paths = [], []
  if _COMMANDS.value:
    lines, problems = table_runs.commands(tables, folders, ready=_READY.value)
    print("\n".join(lines), end="\n" if lines else "")
  elif _COST.value:
    costs, problems = table_cost.of_tables(tables, folders)
    if costs:
      print(text_tables.markdown(
          table_cost.rows(costs, _TFLOPS.value * 1e12)))
      print(f"\nGPU-hours at {_TFLOPS.value:g} sustained TFLOP/s (assumed).")
  elif _SMOKE.value:
    xla_flags.quick()
    paths, problems = table_smoke.run(tables, folders)
  else:
    out = pathlib.Path(_OUT.value or folders.root)
    into = pathlib.Path(_INTO.value) if _INTO.value else None
    if into and _TABLE.value == ["all"]:
      tables = table_actions.with_block(tables, into)
    paths = [path for table in tables for path in table_actions.render(
        table, folders, out=out, into=into)]
    for table in tables if folders.elsewhere else ():
      for line in table_actions.near_misses(table, folders):
        print(f"{table.name}: {line}", file=sys.stderr)
  for path in dict.fromkeys(paths):
    print(path)
  return problems


if __name__ == "__main__":
  flags.mark_flag_as_required("table")
  app.run(main)

"""Tables at toy size: every run of their graph, in this one process.

A toy run computes next to nothing: its time is imports, tracing and
compilation. So the command lines of a table are read as a shell would and
called here, one after the other, programs are compiled without LLVM's
optimiser, and what is the same at toy size is done once: runs (their label
counts are all those of the toy data) and stages.
"""

from collections.abc import Sequence
import dataclasses
import pathlib
import shlex
import subprocess
import time
import traceback

from absl import flags
import jax
from ml_collections import config_flags

from semseg_jax import experiment
from semseg_jax.cli import few_shot_table
from semseg_jax.cli import score_synthesis
from semseg_jax.cli import table_actions
from semseg_jax.cli import table_runs
from semseg_jax.cli import table_toy
from semseg_jax.evaluation import paper_table
from semseg_jax.evaluation import record as records
from semseg_jax.training import run_dir


def run(
    tables: Sequence[paper_table.Table], folders: table_runs.Folders
) -> tuple[list[pathlib.Path], list[str]]:
  """Runs the complete graph of the tables at toy size and renders them.

  What an earlier call has finished is not done again.

  Returns:
    What was rendered, and what could not be run.
  """
  # Without LLVM's optimiser it takes longer to keep a program than to compile
  # it; and nobody reads where its operations come from.
  jax.config.update("jax_enable_compilation_cache", False)
  jax.config.update("jax_traceback_in_locations_limit", 0)
  root = folders.root / "smoke"
  folders = dataclasses.replace(folders, root=root)
  paths, problems = [], {}
  for number, table in enumerate(tables):
    started, count = time.process_time(), 0
    small = table_toy.shrink(table, folders, (root / "toy").resolve())
    for job in table_runs.jobs([small]):
      here = dataclasses.replace(folders, elsewhere=_same_data(small, folders))
      try:
        line = table_runs.line(job, here)
        if line and _link(job, here):
          line = table_runs.line(job, here)
      except FileNotFoundError as error:
        problems[str(error)] = None
        continue
      if not line:
        continue
      print(line, flush=True)
      problem = execute(line)
      count += 1
      if problem:
        problems[f"{line}: {problem}"] = None
        print(f"failed: {problem}", flush=True)
    here = dataclasses.replace(folders, elsewhere=_same_data(small, folders))
    paths += table_actions.render(small, here, out=root)
    print(f"[{number + 1}/{len(tables)}] {table.name}: {count} runs, "
          f"{time.process_time() - started:.0f} s of CPU time", flush=True)
  return paths, list(problems)


def _link(job: table_runs.Job, folders: table_runs.Folders) -> bool:
  """Takes first stages that another run has trained in the same way."""
  config = table_runs.config(job.run, folders, job.table)
  folder, linked = folders.root / job.run.folder, False
  for name in job.stages or config.stages:
    relevant = experiment.relevant(config, name)
    if not (folder / name).exists():
      other = next((x.parent for x in folders.root.glob(f"**/{name}/DONE")
                    if _trained_alike(x.parent, relevant)), None)
      if other is None:
        break
      folder.mkdir(parents=True, exist_ok=True)
      (folder / name).symlink_to(other.resolve())
      linked = True
  return linked


def _trained_alike(folder, relevant) -> bool:
  try:
    run_dir.check(folder, relevant)
  except ValueError:
    return False
  return True


def _same_data(table, folders):
  """Records below the folder of all runs that are of this table's toy data.

  Configs do not tell toy data sets apart: paths of files do not count.
  """
  used = {table_runs.plain_config(run, folders, table)["data"]["data_dir"]
          for run in paper_table.runs(table)
          if (table_runs.ROOT / run.config).exists()}
  return tuple(x for x in records.below([folders.root])
               if x.config["data"]["data_dir"] in used)


def execute(line: str) -> str:
  """Does what a line of --commands does; returns what went wrong, if it did."""
  try:
    for part in line.split(" && "):
      words = shlex.split(part)
      if words[0] == "python":
        _call(words[1:])
      else:
        subprocess.run(words, check=True)
  except SystemExit as error:  # a user's mistake, in one line
    return str(error.code)
  except Exception as error:  # the other runs go on
    traceback.print_exc()
    return f"{type(error).__name__}: {error}"
  return ""


def _call(words: Sequence[str]):
  """Calls what `python WORDS` calls, with the flags read in the same way."""
  count = 2 if words[0] == "-m" else 1
  values, given = flags.FlagValues(), list(words[count - 1:])
  config_flags.DEFINE_config_file(
      "config", None, "", values, lock_config=True, sys_argv=given)
  flags.DEFINE_string("workdir", None, "", flag_values=values)
  flags.DEFINE_list("stage", [], "", flag_values=values)
  flags.DEFINE_list("split", [], "", flag_values=values)
  for name in ("updates", "trials", "baseline_trials"):
    flags.DEFINE_integer(name, 0, "", flag_values=values)
  values(given)
  function, arguments = {
      "train.py": (experiment.train, {"only": values.stage}),
      "eval.py": (experiment.evaluate, {"splits": values.split}),
      "-m semseg_jax.cli.score_synthesis": (
          score_synthesis.evaluate, {"split": ",".join(values.split)}),
      "-m semseg_jax.cli.few_shot_table": (few_shot_table.write, {
          "shots": (1, 5, 10), "segmenters": ("linear", "cnn_s", "cnn"),
          **{k: values[k].value
             for k in ("updates", "trials", "baseline_trials")}}),
  }[" ".join(words[:count])]
  experiment.run(function, values.config, values.workdir, **arguments)

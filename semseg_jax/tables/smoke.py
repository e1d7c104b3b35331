"""Tables at toy size: every run of their graph, in this one process.

A toy run computes next to nothing: its time is imports, tracing and
compilation. So the command lines of a table are read as a shell would and
called here, one after the other, programs are compiled without LLVM's
optimizer, and what is the same at toy size is done once: runs (their label
counts are all those of the toy data) and stages.
"""

from collections.abc import Callable
from collections.abc import Sequence
import contextlib
import dataclasses
import pathlib
import shlex
import subprocess
import time
import traceback

import jax

from semseg_jax import stages
from semseg_jax.evaluation import record as records
from semseg_jax.tables import definition
from semseg_jax.tables import render
from semseg_jax.tables import runs
from semseg_jax.tables import toy_data
from semseg_jax.training import run_dir

Call = Callable[[Sequence[str]], None]


def run(tables: Sequence[definition.Table], folders: runs.Folders, call: Call
        ) -> tuple[list[pathlib.Path], list[str]]:
  """Runs the complete graph of the tables at toy size and renders them.

  What an earlier call has finished is not done again.

  Args:
    tables: which.
    folders: of all runs; these are in its folder `smoke`.
    call: does what `semseg-jax WORDS` does.

  Returns what was rendered, and what could not be run.
  """
  # Without LLVM's optimizer it takes longer to keep a program than to compile
  # it; and nobody reads where its operations come from.
  jax.config.update("jax_enable_compilation_cache", False)
  jax.config.update("jax_traceback_in_locations_limit", 0)
  root = folders.root / "smoke"
  folders = dataclasses.replace(folders, root=root)
  paths, problems = [], {}
  for number, table in enumerate(tables):
    started, count = time.process_time(), 0
    small = toy_data.shrink(table, folders, (root / "toy").resolve())
    for job in runs.jobs([small]):
      here = dataclasses.replace(folders, elsewhere=_same_data(small, folders))
      try:
        line = runs.line(job, here)
        if line and _link(job, here):
          line = runs.line(job, here)
      except FileNotFoundError as error:
        problems[str(error)] = None
        continue
      if not line:
        continue
      print(line, flush=True)
      problem = execute(line, call)
      count += 1
      if problem:
        problems[f"{line}: {problem}"] = None
        print(f"failed: {problem}", flush=True)
    here = dataclasses.replace(folders, elsewhere=_same_data(small, folders))
    paths += render.from_records(small, here, out=root)
    print(f"[{number + 1}/{len(tables)}] {table.name}: {count} runs, "
          f"{time.process_time() - started:.0f} s of CPU time", flush=True)
  return paths, list(problems)


def _link(job: runs.Job, folders: runs.Folders) -> bool:
  """Takes first stages that another run has trained in the same way."""
  config = runs.config(job.run, folders, job.table)
  folder, linked = folders.root / job.run.folder, False
  for name in job.stages or config.stages:
    relevant = stages.relevant(config, name)
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
  used = set()
  for run in definition.runs(table):
    with contextlib.suppress(FileNotFoundError):
      used.add(runs.plain_config(run, folders, table)["data"]["data_dir"])
  return tuple(x for x in records.below([folders.root])
               if x.record.config["data"]["data_dir"] in used)


def execute(line: str, call: Call) -> str:
  """Does what a line of --commands does; returns what went wrong, if it did."""
  try:
    for part in line.split(" && "):
      words = shlex.split(part)
      if words[0] == "semseg-jax":
        call(words[1:])
      else:
        subprocess.run(words, check=True)
  except SystemExit as error:  # a user's mistake, in one line
    return str(error.code)
  except Exception as error:  # the other runs go on
    traceback.print_exc()
    return f"{type(error).__name__}: {error}"
  return ""

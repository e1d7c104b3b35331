"""Trains the stages of a toy config as a user would: does each one work here?

With --kill: a run that SIGKILL ends after a checkpoint and that is continued,
against one that was left alone.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from absl import app
from absl import flags
from ml_collections import config_flags
import numpy as np

from semseg_jax.cpu import startup


def train(config, workdir, name) -> dict:
  """Trains a stage; its row."""
  from semseg_jax import experiment
  from semseg_jax.training import writers

  started = time.monotonic()
  row = {"stage": name, "dtype": config.dtype}
  try:
    experiment.train(config, workdir, only=(name,))
  except (Exception, SystemExit) as error:  # The other stages go on.
    return row | {"error": f"{type(error).__name__}: {error}"[:300]}
  record = workdir / name / "compile.json"
  compiled = json.loads(record.read_text()) if record.exists() else {}
  metrics = writers.read_metrics(workdir / name / "metrics.jsonl")
  values = [x for line in metrics for x in line.values()
            if isinstance(x, float)]
  return row | {
      "programs": len(compiled),
      "compile_s": sum(x["seconds"] for x in compiled.values()),
      "seconds": round(time.monotonic() - started, 1),
      "finite": bool(np.isfinite(values).all()), "lines": len(metrics)}


def killed(name, root) -> dict:
  """Largest difference of metrics between a killed run and an unbroken one."""
  from semseg_jax.training import writers

  logs = {}
  command = [sys.executable, "-m", "benchmarks.accelerator.stages",
             *sys.argv[1:]]
  for kind in ("whole", "killed"):
    folder = root / kind
    again = [*command, f"--child={folder}", "--nokill"]
    process = subprocess.Popen(again, stdout=sys.stderr)
    if kind == "killed":
      while process.poll() is None and not _saved(folder / name / "ckpt"):
        time.sleep(0.002)
      process.kill()
      process.wait()
      at = len(writers.read_metrics(folder / name / "metrics.jsonl"))
      process = subprocess.Popen(again, stdout=sys.stderr)
    if process.wait():
      raise RuntimeError(f"the {kind} run ended with {process.returncode}")
    logs[kind] = {line["step"]: line for line in writers.read_metrics(
        folder / name / "metrics.jsonl")}
  gaps = [abs(line[k] - logs["killed"][step][k])
          for step, line in logs["whole"].items() for k in line
          if k not in ("seconds", "step") and isinstance(line[k], float)]
  return {"stage": name, "killed_after_lines": at,
          "steps": max(logs["whole"]), "largest_difference": max(gaps)}


def _saved(folder) -> bool:
  return folder.exists() and any(x.name.isdigit() for x in folder.iterdir())


def main(argv):
  del argv
  startup.apply()  # Before JAX starts.
  given = flags.FLAGS
  config = given.config
  if given.child:
    config.supervised.steps = 40
    row = train(config, pathlib.Path(given.child), given.stage[0])
    sys.exit(row.get("error", 0))
  with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    if given.kill:
      print(json.dumps(killed(given.stage[0], root)), flush=True)
      return
    for name in given.stage or config.stages:
      print(json.dumps(train(config, root, name)), flush=True)


def define_flags():
  """Not on import: tests import several commands."""
  config_flags.DEFINE_config_file("config", None, "Toy config.")
  flags.DEFINE_list("stage", [], "Stages; empty: the config's.")
  flags.DEFINE_bool("kill", False, "SIGKILL and resume one stage.")
  flags.DEFINE_string("child", "", "Folder to train in, as --kill does.")


if __name__ == "__main__":
  define_flags()
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
  app.run(main)

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

_CONFIG = config_flags.DEFINE_config_file("config", None, "Toy config.")
_STAGES = flags.DEFINE_list("stage", [], "Stages; empty: the config's.")
_KILL = flags.DEFINE_bool("kill", False, "SIGKILL and resume one stage.")
_CHILD = flags.DEFINE_string("child", "", "Folder to train in, as --kill does.")


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


def killed(config, root) -> dict:
  """Largest difference of metrics between a killed run and an unbroken one."""
  from semseg_jax.training import writers

  name = _STAGES.value[0]
  config.unlock()
  logs = {}
  command = [sys.executable, *sys.argv]
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
  from semseg_jax.cli import launcher  # noqa: F401 - before JAX starts
  from semseg_jax.training import xla_flags
  xla_flags.apply()
  config = _CONFIG.value
  if _CHILD.value:
    config.supervised.steps = 40
    row = train(config, pathlib.Path(_CHILD.value), _STAGES.value[0])
    sys.exit(row.get("error", 0))
  with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    if _KILL.value:
      print(json.dumps(killed(config, root)), flush=True)
      return
    for name in _STAGES.value or config.stages:
      print(json.dumps(train(config, root, name)), flush=True)


if __name__ == "__main__":
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
  app.run(main)

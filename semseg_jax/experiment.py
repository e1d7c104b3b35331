"""Puts the rooms together: config -> stages -> loop, and evaluation of a run.

Called by train.py, eval.py, the commands in `cli` and the tests.
"""

import importlib
import json
import pathlib
import sys
import time

from absl import logging
import jax
import numpy as np

from semseg_jax import joint_model
from semseg_jax import monitoring
from semseg_jax.data import datasets
from semseg_jax.data import errors as data_errors
from semseg_jax.evaluation import figures
from semseg_jax.evaluation import record as records
from semseg_jax.evaluation import segmentation
from semseg_jax.evaluation import tables
from semseg_jax.methods.common import data
from semseg_jax.training import checkpoint
from semseg_jax.training import loop
from semseg_jax.training import mesh as mesh_lib
from semseg_jax.training import run_dir

# What a user can mend: shown as one line, without a traceback.
USER_ERRORS = (
    data_errors.DataError, FileNotFoundError, ValueError,
    loop.NonFiniteError)


def run(function, config, workdir, **arguments):
  """Calls `train` or `evaluate`; a user's mistake ends it with one line."""
  jax.config.update("jax_default_matmul_precision", config.matmul_precision)
  try:
    return function(config, pathlib.Path(workdir), **arguments)
  except USER_ERRORS as error:
    logging.debug("where it was raised", exc_info=True)
    sys.exit(f"error: {error}")


def module_of(config, stage: str):
  """The module of a stage: the method's own, else one of `methods`."""
  for name in (f"{config.method}.{stage}", stage):
    try:
      return importlib.import_module(f"semseg_jax.methods.{name}")
    except ModuleNotFoundError as error:
      if not f"semseg_jax.methods.{name}".startswith(error.name):
        raise
  raise ValueError(f"config.stages names {stage!r}, which is no module of "
                   f"semseg_jax/methods/{config.method} or semseg_jax/methods")


def check(config):
  """Raises what is wrong with config or data before anything is trained."""
  for stage in config.stages:
    module_of(config, stage)
  dataset = data.dataset(config)
  c = config.data
  splits = {c.validation, c.in_domain, *c.out_of_domain}
  datasets.verify(dataset, sorted(splits))
  data.train_sources(config)


def train(config, workdir, *, overrides=None, only=()):
  """Trains the stages of `config` in order; finished ones are skipped.

  Args:
    config: the experiment's config.
    workdir: the run's folder; each stage has its own below it.
    overrides: what the user changed on the command line, for the record.
    only: names of stages to run instead of all.

  Raises:
    ValueError, DataError: bad config or data, before training starts.
  """
  stages = tuple(only) or tuple(config.stages)
  check(config)
  mesh = mesh_lib.make()
  for number, name in enumerate(stages):
    module = module_of(config, name)
    stage = module.make(config, workdir)
    options = loop.LoopOptions(
        **config.log.to_dict(),
        best_metric="val/miou" if stage.validate else None)
    if name == "gan" and config.monitor.samples:
      stage = stage._replace(validate=monitoring.make(config))
      options = options._replace(best_metric=None)
    logging.info("stage %s (%d of %d): %d steps", name, number + 1,
                 len(stages), stage.steps)
    loop.train(
        stage, workdir=workdir / name, options=options,
        key=jax.random.key(config.seed), mesh=mesh,
        config_json=json.dumps(relevant(config, module)),
        overrides_json=json.dumps(overrides or {}, default=str))
    figures.plot_metrics(workdir / name / "metrics.jsonl",
                         workdir / name / "curves.png")
  return workdir


def relevant(config, module) -> dict:
  """The blocks of `config` that a stage's result depends on, plain values."""
  plain = json.loads(config.to_json_best_effort())
  return {name: plain[name] for name in sorted(
      {"data", "dtype", "matmul_precision", "release", "seed",
       *module.FIELDS})}


def evaluate(config, workdir, *, splits=()):
  """Labels and scores test pictures with every method a run has trained.

  Returns:
    The summary that is also written to workdir/eval/record.json.
  """
  started = time.time()
  dataset = data.dataset(config)
  predictors = {}
  for name in config.stages:
    module = module_of(config, name)
    if hasattr(module, "predictor"):
      predictors[name] = module.predictor(config, workdir)
  if "encoder" in config.stages and config.data.labels:
    predictors["labeling"] = module_of(config, "labeling").predictor(
        config, workdir)
  del predictors["reference"]
  return predictors

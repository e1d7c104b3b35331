"""Run folders whose stages are as if trained: their first states, saved."""

import json

import jax

from semseg_jax import experiment
from semseg_jax import stages
from semseg_jax.training import checkpoint
from semseg_jax.training import run_dir


def save(config, folder, scores=None):
  """Saves every stage of `config` in `folder`, which `load` then takes.

  Args:
    config: the experiment's config; what a start would be copied from has to
      be switched off (`encoder.mean_start`).
    folder: of the run.
    scores: {stage: score on validation}.
  """
  for name in config.stages:
    stage = stages.make(config, folder, name)
    state = jax.jit(lambda key, stage=stage: stage.init(key, {}))(
        jax.random.key(0))
    with checkpoint.Checkpoints(folder / name / "ckpt") as checkpoints:
      checkpoints.save(1, state, {}, (scores or {}).get(name))
    run_dir.prepare(folder / name, experiment.relevant(config, name), {})
  run_dir.describe(folder, json.loads(config.to_json_best_effort()),
                   experiment.dataset_facts(config))

"""Run folders whose stages are as if trained: random states, saved."""

import json

import jax
import numpy as np

from configs.semantic_gan import toy_faces
from semseg_jax import dataset_facts
from semseg_jax import stages
from semseg_jax.training import checkpoint
from semseg_jax.training import run_dir


def semantic_gan(*names, fitted: bool = False, **changes):
  """A SemanticGAN config of 16 px with these stages, for `save`."""
  c = toy_faces.get_config("labels=20,smoke" + ",fitted" * fitted)
  c.encoder.mean_start = False
  c.inversion.update(steps=2, snapshots=())
  c.stages = names
  c.update_from_flattened_dict(changes)
  return c


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
    state = jax.tree_util.tree_map_with_path(_filled, jax.eval_shape(
        lambda key, stage=stage: stage.init(key, {}), jax.random.key(0)))
    with checkpoint.Checkpoints(folder / name / "ckpt") as checkpoints:
      checkpoints.save(1, state, {}, (scores or {}).get(name))
    run_dir.prepare(folder / name, stages.relevant(config, name), {})
  run_dir.describe(folder, json.loads(config.to_json_best_effort()),
                   dataset_facts.of(config))


def _filled(path, leaf):
  """Numbers of a leaf's shape: no initializer has to be compiled."""
  if not np.issubdtype(leaf.dtype, np.floating):
    return np.zeros(leaf.shape, leaf.dtype)
  name = jax.tree_util.keystr(path)
  values = np.random.default_rng(len(name)).normal(0.0, 0.1, leaf.shape)
  return (np.abs(values) + 0.5 if "var" in name else values).astype(leaf.dtype)

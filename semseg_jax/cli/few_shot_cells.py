"""Trains and scores many few-shot segmenters of one generator.

What the table of shots and the ablation of layers share. The generator (and the
annotator) are those of the run; each variant, a cell, has its own folder. Real
pictures are inverted once for all cells.
"""

import json
from typing import NamedTuple

import jax
import numpy as np

from semseg_jax import experiment
from semseg_jax.data import datasets
from semseg_jax.data import sources
from semseg_jax.evaluation import counting
from semseg_jax.evaluation import record
from semseg_jax.methods.common import data
from semseg_jax.methods.repurpose_gan import features
from semseg_jax.methods.repurpose_gan import projection
from semseg_jax.methods.repurpose_gan import segmenter
from semseg_jax.ops import scores
from semseg_jax.training import loop
from semseg_jax.training import run_dir


class Cell(NamedTuple):
  """name: of its folder and in tables; config: of what is trained in it."""
  name: str
  config: object


def changed(config, **fields):
  """A copy of a config with dotted fields set."""
  copy = config.copy_and_resolve_references().unlock()
  copy.update_from_flattened_dict(fields)
  return copy.lock()


def train(cell: Cell, stage_name: str, made, folder):
  """Trains one stage of a cell in folder/<name>/<stage>; skipped when done."""
  config, path = cell.config, folder / cell.name / stage_name
  relevant = experiment.relevant(
      config, experiment.module_of(config, stage_name))
  if run_dir.done_step(path) == made.steps:
    run_dir.prepare(path, relevant, {})  # refuses another config
    return
  options = loop.LoopOptions(
      log_every=config.log.log_every,
      checkpoint_every=config.log.checkpoint_every,
      eval_every=config.log.eval_every,
      best_metric="val/miou" if made.validate else None)
  loop.train(
      made._replace(sample=None), workdir=path, options=options,
      key=jax.random.key(config.seed), config_json=json.dumps(relevant))


def train_segmenters(cells, workdir, folder):
  """Trains the stage `segmenter` of every cell."""
  for cell in cells:
    train(cell, "segmenter", segmenter.make(cell.config, workdir), folder)


def predictor(config, workdir, folder, cells):
  """predict(pictures, indices) -> {cell's name: logits}, by one inversion."""
  project = projection.make(config, workdir)
  generator = project.generator
  variants = {
      c.name: (segmenter.network(c.config),
               segmenter.load(c.config, folder / c.name, "the table"),
               features.names(c.config, generator.module)) for c in cells}
  synthesize = jax.jit(lambda v, codes, noise: generator.module.apply(
      v, codes, noise, method="synthesize")[1])
  apply = jax.jit(lambda module, params, maps: module.apply(
      {"params": params}, maps), static_argnums=0)

  def segment(codes, noise):
    """{cell: logits} of pictures by what the generator makes them of."""
    found = {name: [] for name in variants}
    for row in features.single((codes, tuple(noise))):
      maps = synthesize(generator.variables, *row)
      for name, (module, params, layers) in variants.items():
        found[name].append(jax.device_get(
            apply(module, params, tuple(maps[n] for n in layers))))
    return {name: np.concatenate(rows) for name, rows in found.items()}

  def predict(pictures, indices):
    found = project(pictures, indices)
    return segment(found.codes, found.noise)

  return predict, segment


def score(config, predict, split: str, folder, names, *, limit: int = 0):
  """{method: mIoU} on a split of the data set; finished batches are kept.

  Args:
    config: the experiment's.
    predict: see `counting.count`.
    split: name of the split.
    folder: for the counts.
    names: what stands for the trained networks: [(name, steps)].
    limit: first pictures only; 0: `config.evaluation.limit`.
  """
  dataset = data.dataset(config)
  source = experiment.limited(datasets.split(dataset, split), config)
  if limit and limit < len(source):
    source = sources.Subset(source, np.arange(limit))
  plain = json.loads(config.to_json_best_effort())
  found = counting.count(
      predict, source, spec=dataset.spec,
      batch_size=config.inversion.batch_size, size=config.data.size,
      out_dir=folder / split,
      fingerprint=record.config_hash({"config": plain, "names": names}))
  return {name: float(scores.mean_iou(c)) for name, c in found.items()}

"""Trains and scores many few-shot segmenters of one generator.

What the table of shots and the ablation of layers share. The generator (and the
annotator) are those of the run; each variant, a cell, has its own folder. Real
images are inverted once for all cells.
"""

import itertools
import json
from typing import NamedTuple

from absl import logging
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax import experiment
from semseg_jax import lineage
from semseg_jax import stages
from semseg_jax.data import datasets
from semseg_jax.data import sources
from semseg_jax.evaluation import counting
from semseg_jax.evaluation import record
from semseg_jax.methods.common import data
from semseg_jax.methods.common import feature_segmenter
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import hypercolumns
from semseg_jax.methods.common import samples
from semseg_jax.methods.repurpose_gan import projection
from semseg_jax.methods.repurpose_gan import segmenter
from semseg_jax.methods.repurpose_gan import shots as shots_lib
from semseg_jax.ops import image_ops
from semseg_jax.ops import scores
from semseg_jax.training import checkpoint
from semseg_jax.training import loop
from semseg_jax.training import records
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


def train(cell: Cell, stage_name: str, made, workdir, folder, elsewhere=()):
  """Trains one stage of a cell in folder/<name>/<stage>; skipped when done.

  `elsewhere`: folders by the names of stages that are in no folder of its own.
  """
  config, path = cell.config, folder / cell.name / stage_name
  if not _begin(cell, stage_name, workdir, path, made.steps, elsewhere):
    return
  options = loop.LoopOptions(
      log_every=config.log.log_every,
      checkpoint_every=config.log.checkpoint_every,
      eval_every=config.log.eval_every,
      best_metric="val/miou" if made.validate else None)
  loop.train(
      made._replace(sample=None), workdir=path, options=options,
      key=jax.random.key(config.seed),
      config_json=json.dumps(stages.relevant(config, stage_name)))


def train_segmenters(cells, workdir, folder):
  """Trains the stage `segmenter` of every cell; skips what is done.

  Cells may differ in trial and count of the shots and in the segmenter's kind
  and layers. Those of one trial (and count, where shots are not nested) share
  the labeled images and their maps, those of one network and count the
  compiled step.
  """
  trials, compiled = {}, {}
  for cell in cells:
    source = shots_lib.source(cell.config, workdir)
    path = folder / cell.name / "segmenter"
    steps = cell.config.few_shot.epochs * source.count
    if not _begin(cell, "segmenter", workdir, path, steps):
      continue
    if checkpoint.latest(path / "ckpt") == steps:  # interrupted after it
      run_dir.write_done(path, steps)
      continue
    trials.setdefault(
        (cell.config.shots.trial, 0 if source.nested else source.count),
        []).append((cell, source))
  if not trials:
    return
  config = next(iter(trials.values()))[0][0].config
  generator = generators.load(config, workdir, "the table")
  for group in trials.values():
    # Shots of a smaller count are the first of a larger one.
    shots = max(
        (source for _, source in group), key=lambda s: s.count).load(generator)
    used = [hypercolumns.names(c.config, generator.module) for c, _ in group]
    layers = tuple(dict.fromkeys(itertools.chain(*used)))
    maps = {}
    for (cell, source), names in zip(group, used, strict=True):
      resize = feature_segmenter.network(cell.config).resize
      if resize not in maps:
        if (resize, layers) not in compiled:
          compiled[resize, layers] = jax.jit(hypercolumns.extractor(
              cell.config, generator.module, layers))
        maps[resize] = dict(zip(layers, hypercolumns.stacked(
            compiled[resize, layers], generator.variables, shots.latents,
            shots.noise), strict=True))
      _fit(cell, {
          "maps": tuple(maps[resize][n][:source.count] for n in names),
          "label": jnp.asarray(shots.label[:source.count])},
           compiled, folder / cell.name / "segmenter")


def _fit(cell, frozen, compiled, path):
  """Trains one segmenter and saves it; `compiled` holds what others can use."""
  config, module = cell.config, feature_segmenter.network(cell.config)
  stage = feature_segmenter.build(
      config, module, frozen["maps"], len(frozen["label"]), lambda: frozen)
  key = (module, *(m.shape for m in frozen["maps"]))
  if key not in compiled:
    compiled[key] = (jax.jit(stage.init), jax.jit(
        stage.train_step, static_argnames="phase", donate_argnums=0))
  init, step = compiled[key]
  state = init(jax.random.key(config.seed), frozen)
  for batch in itertools.islice(stage.train_data(0), stage.steps):
    state, metrics = step(state, frozen, batch, (), phase="step")
  loss = float(metrics["loss"])
  if not np.isfinite(loss):
    raise records.NonFiniteError(f"{cell.name}: the loss is {loss}")
  with checkpoint.Checkpoints(path / "ckpt") as checkpoints:
    checkpoints.save(stage.steps, state, {"loss": loss})
  run_dir.write_done(path, stage.steps)
  logging.info("%s: loss %.4f after %d steps", cell.name, loss, stage.steps)


def _begin(cell, stage_name, workdir, path, steps, elsewhere=()) -> bool:
  """Whether a stage is to be trained; refuses a folder of another config, or of
  another generator or annotator of the run in `workdir`."""
  of_run = dict.fromkeys(("gan", "fully_supervised"), workdir) | dict(elsewhere)
  lineage.check(cell.config, path.parent, (stage_name,), elsewhere=of_run)
  loop.check_steps(path, steps)
  run_dir.prepare(
      path, stages.relevant(cell.config, stage_name), {},
      fixed=stages.of(cell.config, stage_name).fixed, trained_on=lineage.now(
          cell.config, path.parent, stage_name, elsewhere=of_run))
  return run_dir.done_step(path) != steps


def predictor(config, workdir, folder, cells):
  """predict(images, indices) -> {cell's name: logits}, by one inversion."""
  project = projection.make(config, workdir)
  generator = project.generator
  variants = {
      c.name: (feature_segmenter.network(c.config),
               segmenter.load(c.config, folder / c.name, "the table"),
               hypercolumns.names(c.config, generator.module)) for c in cells}
  synthesize = jax.jit(lambda v, latents, noise: generator.module.apply(
      v, latents, noise, method="synthesize")[1])
  apply = jax.jit(lambda module, params, maps: module.apply(
      {"params": params}, maps), static_argnums=0)

  def segment(latents, noise):
    """{cell: logits} of images by what the generator makes them of."""
    logits_of = {name: [] for name in variants}
    for row in hypercolumns.single((latents, tuple(noise))):
      maps = synthesize(generator.variables, *row)
      for name, (module, params, layers) in variants.items():
        logits_of[name].append(jax.device_get(
            apply(module, params, tuple(maps[n] for n in layers))))
    return {name: np.concatenate(rows) for name, rows in logits_of.items()}

  def predict(images, indices):
    projected = project(images, indices)
    return segment(projected.latents, projected.noise)

  return predict, segment


def score(config, predict, split: str, folder, names, *, limit: int = 0):
  """{method: mIoU} on a split of the data set; finished batches are reused.

  Args:
    predict: see `counting.count`.
    split: name of the split.
    folder: for the counts.
    names: what stands for the trained networks: [(name, when it was saved)].
    limit: first images only; 0: `config.evaluation.limit`.
  """
  dataset = data.dataset(config)
  source = experiment.limited(datasets.split(dataset, split), config)
  if limit and limit < len(source):
    source = sources.Subset(source, np.arange(limit))
  plain = json.loads(config.to_json_best_effort())
  counts = counting.count(
      predict, source, spec=dataset.spec,
      batch_size=config.inversion.batch_size, size=config.data.size,
      out_dir=folder / split,
      fingerprint=record.config_hash({"config": plain, "names": names}))
  return {name: float(scores.mean_iou(c)) for name, c in counts.items()}


def score_samples(config, workdir, segment, n: int) -> dict[str, float]:
  """{cell: mIoU} on samples that were no shot, against the annotator.

  There no inversion blurs the answer. Empty without an annotator.

  Args:
    segment: the second function of `predictor`.
    n: how many samples.
  """
  if config.shots.source != "fully_supervised" or not n:
    return {}
  # Numbers of trials are below this; no table trials so many.
  first = shots_lib.TRIAL * 1000
  sampled = samples.draw(generators.load(config, workdir, "the table"),
                         range(first, first + n), config.shots.truncation)
  labels = shots_lib.annotate(config, workdir, sampled.image)
  counts = {}
  for i in range(n):
    logits = segment(sampled.latents[i:i + 1],
                     [x[i:i + 1] for x in sampled.noise])
    for name, row in logits.items():
      counts[name] = counts.get(name, 0) + scores.confusion_matrix(
          labels[i], image_ops.labels_at(row[0], labels[i].shape, row=name),
          config.data.num_classes)
  return {name: float(scores.mean_iou(c)) for name, c in counts.items()}

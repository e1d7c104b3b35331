"""What a run's trained stages predict: rows of the results, by their names."""

from collections.abc import Callable

from absl import logging

from semseg_jax import stages
from semseg_jax.training import checkpoint
from semseg_jax.training import run_dir


def rows_of(config, trained: Callable[[str], bool]) -> dict[str, str]:
  """{row of the results that labels new images: its stage}.

  Args:
    config: the experiment's config.
    trained: whether the stage of that name has been.
  """
  every = {row: name for name in config.stages
           for row in stages.of(config, name).rows(config, name)}
  needed = lambda row: {every[x] for x in (row, *row.split("+")) if x in every}
  return {row: name for row, name in every.items()
          if all(map(trained, needed(row)))}


def validated_row(config, name: str) -> str | None:
  """The row that a stage's own validation scores while it trains, if any."""
  if stages.of(config, name).best_metric != "val/miou":
    return None
  row = {"autoshot": "auto_shot"}.get(name, name)
  return row if row in stages.of(config, name).rows(config, name) else None


def of_row(config, workdir, name: str, row: str):
  """predict(source, images, indices, numbers) -> outputs of one row.

  Args:
    config: the experiment's config.
    workdir: its folder.
    name: the stage.
    row: of it.

  Returns:
    `images` [B, H, W, C] are those of `source` at `indices`; what is random
    for an image hangs on its number.
  """
  definition = stages.of(config, name)
  if "+" in row:
    stage_of = rows_of(config, lambda name: True)
    singles = {x: of_row(config, workdir, stage_of[x], x)
               for x in row.split("+") if x in stage_of}
    combine = definition.combiner(config, workdir)
    return lambda source, images, indices, numbers: combine(
        source, indices, {
            x: predict(source, images, indices, numbers)
            for x, predict in singles.items()})[row]
  rows = (definition.labeler or definition.predictor)(config, workdir)
  return lambda source, images, indices, numbers: rows(images, numbers)[row]


def of_run(config, workdir):
  """predict(source, images, indices) -> rows of every trained stage.

  A stage's `combiner` makes further rows of those that the others gave.
  """
  definitions = [stages.of(config, name) for name in config.stages]
  predictors = [
      d.predictor(config, workdir) for d in definitions if d.predictor]
  combiners = [d.combiner(config, workdir) for d in definitions if d.combiner]

  def predict(source, images, indices):
    methods = {}
    for predict_rows in predictors:
      methods |= predict_rows(images, indices)
    for combine in combiners:
      methods |= combine(source, indices, methods)
    return methods

  return predict


def trained_part(config, workdir):
  """The config with those of its stages that are trained; says what lacks.

  As it is where these label nothing: what is missing is said when it is loaded.
  """
  there = lambda name: checkpoint.exists(workdir / name / "ckpt")
  missing = [name for name in config.stages if not there(name)]
  if missing and rows_of(config, there):
    logging.warning("not trained yet, so not scored: %s", ", ".join(missing))
    config = config.copy_and_resolve_references().unlock()
    config.stages = tuple(x for x in config.stages if x not in missing)
    config.lock()
  for name in filter(there, config.stages):
    if run_dir.done_step(workdir / name) is None:
      logging.warning("stage %s has not finished: as it is after step %d",
                      name, checkpoint.best(workdir / name / "ckpt"))
  return config

"""Quality of image-level scores: average precision and ROC curves."""

import csv
import io

import numpy as np

from semseg_jax.data import views
from semseg_jax.methods.common import data
from semseg_jax.methods.common import segmenter
from semseg_jax.methods.common import validation
from semseg_jax.methods.semisup import classifiers
from semseg_jax.methods.semisup import fusion
from semseg_jax.ops import class_scores

_BATCH = 32
# Stages whose scores are compared, the teacher first.
_STAGES = ("mlmt", "classifier")


def table(config, source, score, limit: int = 0):
  """(scores, truth), both [N, C] float32, of a split's first images.

  Args:
    source: labeled images.
    score: list of images -> [n, C].
    limit: how many images; 0: all.
  """
  count = min(limit or len(source), len(source))
  scores, truth = [], []
  for start in range(0, count, _BATCH):
    # Batches of one shape: the last one repeats its last image.
    rows = np.minimum(np.arange(start, start + _BATCH), count - 1)
    examples = [source[int(i)] for i in rows]
    real = min(_BATCH, count - start)
    scores.append(score([x["image"] for x in examples])[:real])
    truth += [views.presence(x["label"], config.data.num_classes,
                             data.ignore_index(config))
              for x in examples[:real]]
  return np.concatenate(scores), np.stack(truth)


def quality(scores, truth) -> dict[str, float]:
  """Mean average precision over classes that occur, and area under the ROC.

  The area is left out where every image has all classes.
  """
  area = class_scores.roc_area(scores, truth)
  return {
      "mean_average_precision": float(np.nanmean(
          class_scores.average_precision(scores, truth))),
      **({} if np.isnan(area) else {"roc_area": area})}


def validator(config, module):
  """validate(state, frozen): quality of teacher and student on validation.

  None without a validation split.
  """
  if not config.data.validation:
    return None
  score = classifiers.scorer(config, module)

  def validate(state, frozen):
    del frozen
    source = data.evaluation_source(config, config.data.validation)
    metrics = {}
    for prefix, variables in (("val", state.teacher),
                              ("val_student", state.student)):
      values = quality(*table(
          config, source, lambda x, v=variables: score(v, x),
          config.data.num_validation_images))
      metrics |= {f"{prefix}/{k}": v for k, v in values.items()}
    return metrics

  return validate


def of_segmenter(config, predict, source):
  """(scores, truth), both [N, C], of the classes that a segmenter sees.

  A class's score is its largest probability in the image: what the teacher has
  to be better than for fusion to help.

  Args:
    predict: from `segmenter.restored`.
    source: labeled images.
  """
  scores, truth = [], []
  for label, rows in validation.predictions(
      config, source, lambda _, images, __: {"": {"logits": predict(images)}},
      config.evaluation.batch_size):
    logits = fusion.of_classes(rows[""]())
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    scores.append((odds / odds.sum(-1, keepdims=True)).max((0, 1)))
    truth.append(views.presence(
        label, config.data.num_classes, data.ignore_index(config)))
  return np.stack(scores), np.stack(truth)


def write(config, workdir, source, folder) -> dict:
  """Scores a split with `mlmt` and, if trained, the plain `classifier`.

  Writes scores_<stage>.csv, a row per image, and returns what `quality`
  gives by stage, with "average_precision" by class and the "roc" curves'
  points; without a curve that of the segmenters, by `of_segmenter`.
  """
  names = data.dataset(config).spec.class_names
  by_class = lambda *values: {"average_precision": {
      n: None if np.isnan(x) else float(x) for n, x in zip(
          names, class_scores.average_precision(*values), strict=True)}}
  report = {}
  for stage in _STAGES:
    if stage not in config.stages:
      continue
    scores, truth = table(
        config, source, classifiers.restored(config, workdir, stage),
        len(source))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", *names))
    writer.writerows((i, *(f"{x:.6f}" for x in row)) for i, row in zip(
        source.ids, scores, strict=True))
    (folder / f"scores_{stage}.csv").write_text(text.getvalue())
    false, true = class_scores.roc_curve(scores, truth)
    # As many points as a plot shows.
    shown = np.unique(np.linspace(0, len(false) - 1, 200).astype(int))
    report[stage] = quality(scores, truth) | by_class(scores, truth) | {
        "roc": [false[shown].tolist(), true[shown].tolist()]}
  for stage in fusion.SEGMENTERS:
    if stage in config.stages:
      values = of_segmenter(
          config, segmenter.restored(config, workdir, stage), source)
      report[stage] = quality(*values) | by_class(*values)
  return report

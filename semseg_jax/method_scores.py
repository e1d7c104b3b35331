"""Which of a run's methods is best: their scores on validation images."""

import json

from semseg_jax import predictors
from semseg_jax.data import sources
from semseg_jax.evaluation import record as records
from semseg_jax.methods.common import data
from semseg_jax.methods.common import trained
from semseg_jax.methods.common import validation
from semseg_jax.methods.semantic_gan import combined
from semseg_jax.ops import scores
from semseg_jax.training import checkpoint
from semseg_jax.training import run_dir

_VALIDATION = "validation.json"
_NUM_VALIDATED = 32  # images; inversion takes its time for each


def validate(config, workdir, predict) -> dict[str, float]:
  """{method: mean IoU on the first validation images}, to choose one by.

  All methods see the same images, at most `_NUM_VALIDATED`. The scores of the
  run's own config are kept in workdir/validation.json and computed again once a
  stage, the config or one of these images has changed. {} without a labeled
  validation split.
  """
  c = config.data
  split = data.dataset(config).splits.get(c.validation)
  if not split or not split.labeled:
    return {}
  networks = trained_of(config, workdir)
  digits = fingerprint(config, workdir)
  written = _validation(workdir)
  count = _count(config, split)
  contents = sources.contents(split, range(count))
  if written.get("fingerprint") == digits and (
      written.get("contents", contents) == contents) and (
          written.get("images", count) == count):
    return written["miou"]
  counts = validation.confusions(
      config, predict, limit=count, batch_size=config.evaluation.batch_size)
  miou = {k: round(float(scores.mean_iou(x)), 4) for k, x in counts.items()}
  plain = json.loads(config.to_json_best_effort())
  own = run_dir.read_json(workdir / "config.json", plain)
  # Whoever loads the run gets its own config: other searches, or fewer images,
  # say little of its methods.
  changed = {field for field, *_ in records.differences(own, plain)}
  if changed <= {"stages", "evaluation.limit"} and (
      count == _count(run_dir.configured(own), split)):
    run_dir.write_json(workdir / _VALIDATION, {
        "fingerprint": digits, "contents": contents, "images": count,
        "miou": miou, **networks})
  return miou


def _count(config, split) -> int:
  """How many images `validate` takes."""
  limits = (config.data.num_validation_images, config.evaluation.limit,
            _NUM_VALIDATED, len(split))
  return min(x for x in limits if x)


def fingerprint(config, workdir) -> str:
  """Digits that stand for what a run's rows are and hang on."""
  networks = trained_of(config, workdir)
  rows = predictors.rows_of(
      config, lambda name: networks["steps"][name] is not None)
  # Former versions did not have this row.
  added = {"rows": [combined.ROW]} if combined.ROW in rows else {}
  plain = json.loads(config.to_json_best_effort())
  if plain.get("evaluation", {}).get("limit"):
    plain["evaluation"]["limit"] = 0  # how many images a row has is no matter
  return records.config_hash({**plain, **networks, **added})


def of_run(config, workdir) -> dict[str, float | None]:
  """{method that labels new images: its validation score, if it has one}.

  Those of `validate`, where the run was evaluated since it was trained; else
  what the stages had while they trained.
  """
  ckpt = lambda name: workdir / name / "ckpt"
  rows = predictors.rows_of(config, lambda name: checkpoint.exists(ckpt(name)))
  written = _validation(workdir)
  networks = trained_of(config, workdir)
  # Former versions kept no times or files, and more steps.
  if all(written.get(k, networks[k]) == networks[k]
         for k in networks if k != "steps") and (
             written.get("steps", {}).items() >= networks["steps"].items()):
    return {row: written["miou"].get(row) for row in rows}
  return {row: checkpoint.score_of(ckpt(name))
          if predictors.validated_row(config, name) == row else None
          for row, name in rows.items()}


def best(scored: dict[str, float | None]) -> str:
  """The method with the best score; else the last one by itself.

  Not `fully_supervised`, which has seen all labels, if there is another.
  """
  scored = {k: v for k, v in scored.items() if k != "fully_supervised"} or (
      scored)
  known = {k: v for k, v in scored.items() if v is not None}
  if known:
    return max(known, key=known.get)
  # One that needs two stages takes the time of both.
  return ([x for x in scored if "+" not in x] or list(scored))[-1]


def _validation(workdir) -> dict:
  return run_dir.read_json(workdir / _VALIDATION, {})


def trained_of(config, workdir) -> dict[str, dict[str, int | None]]:
  """What stands for the networks that predictions are made with.

  {"steps": {stage: step of its checkpoint}, "saved_at": {stage: when it was
  saved}, "files"?: {field: digest of the file that it names}}: a stage that was
  trained again has as many steps, a file that was written again its name.
  """
  folders = {name: workdir / name / "ckpt" for name in config.stages}
  return {"steps": {k: checkpoint.best(v) for k, v in folders.items()},
          "saved_at": {k: checkpoint.saved_at(v) for k, v in folders.items()},
          **({"files": files} if (files := trained.digests(config)) else {})}

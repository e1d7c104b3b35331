"""The table of shots x segmenters, beside the supervised baseline.

The run's generator (and annotator) must be trained: `semseg-jax train
--stage=gan,fully_supervised`. Writes workdir/table/table.json (every cell,
means and spreads over trials) and table.md. For each number of shots: each
segmenter by inversion, over several trials of the shots; auto-shot with the
segmenter that is best on validation, one trial (with `autoshot.styles` one more
in other styles); the supervised U-Net on as many real labels. With the
annotator `fully_supervised` also each segmenter on fresh samples against its
labels ("samples"), where no inversion blurs the answer. For result tables each
split's numbers are also a record, of the config without the stages that the
cells train, in workdir/few_shot/eval/SPLIT.
After an interruption run it again: finished cells are not computed again.
"""

from collections.abc import Callable
import time
from typing import NamedTuple

from etils import epath
import numpy as np

from semseg_jax import experiment
from semseg_jax.evaluation import tables
from semseg_jax.methods import supervised
from semseg_jax.methods.common import segmenter
from semseg_jax.methods.repurpose_gan import autoshot
from semseg_jax.studies import cells as cells_lib
from semseg_jax.training import checkpoint

AUTO_SHOT, OTHER_STYLES = "auto-shot", "auto-shot in other styles"
_SAMPLES = 64  # fresh ones, to score on


class Direct(NamedTuple):
  """A trained network that labels images without inverting them.

  Dicts of these have the keys (row's name, shots, trial).
  """
  method: str  # its key in what `predict` gives
  predict: Callable  # (images, indices) -> {method: {"logits"}}
  saved: int  # when its checkpoint was written, in nanoseconds


def write(config, workdir, *, shots, segmenters, trials: int | None = None,
          baseline_trials: int = 0, updates: int = 0) -> list[dict]:
  """Trains and scores everything; returns the rows that table.json holds.

  Args:
    workdir: its folder, with the trained generator.
    shots: numbers of labeled images.
    segmenters: kinds of segmenter.
    trials: how many trials of the shots; None: 5, of painted ones 1.
    baseline_trials: of the supervised U-Net's labels; 0: as many.
    updates: of each segmenter, whatever the number of shots, with the config's
      decay of the learning rate by steps of a twentieth; 0: the config's
      epochs.

  Raises ValueError: several trials of painted shots, a number of shots below
    1, no number or no segmenter at all, or no validation split.
  """
  if min(shots, default=0) < 1:
    raise ValueError(f"--shots={','.join(map(str, shots))}: give numbers from "
                     "1 on")
  if not segmenters:
    raise ValueError("--segmenters= is empty: give at least one")
  started = time.monotonic()
  painted = config.shots.source == "folder"
  if trials is None:
    trials = 1 if painted else 5
  if painted and trials > 1:
    raise ValueError(
        f"--trials={trials}: painted shots are the same in every trial, so the "
        "spread would be 0; give --trials=1, and --baseline_trials for the "
        "U-Net's labels")
  if not config.data.validation:
    raise ValueError("config.data.validation is empty: auto-shot learns from "
                     "the segmenter that is best there, so name a split")
  experiment.check_data(config)
  folder = epath.Path(workdir) / "table"
  splits = _splits(config)
  cells = {
      (k, kind, trial): cells_lib.Cell(
          f"{kind}_shots{k}_draw{trial}", cells_lib.changed(
              config, **{"few_shot.kind": kind, "shots.count": k,
                         "shots.trial": trial}, **_epochs(updates, k)))
      for k in shots for trial in range(trials) for kind in segmenters}
  cells_lib.train_segmenters(cells.values(), workdir, folder)
  rows, best = _inversions(config, workdir, folder, cells, splits)
  direct = _autoshots(config, workdir, folder, {
      k: (kind, cells[k, kind, 0]) for k, kind in best.items()})
  direct |= _baselines(
      config, workdir, folder, shots, baseline_trials or trials)
  rows += _scores_of_direct(config, folder, direct, splits)
  rows.sort(key=lambda r: (
      [*splits, "samples"].index(r["split"]), r["shots"]))
  for s in splits:
    experiment.save_record(
        cells_lib.changed(config, stages=tuple(
            x for x in config.stages if x in ("gan", "fully_supervised"))),
        folder.parent, s, _methods(r for r in rows if r["split"] == s),
        seconds=time.monotonic() - started, study="few_shot", extra={
            "shots": list(shots), "segmenters": list(segmenters),
            "trials": trials, "baseline_trials": baseline_trials,
            "updates": updates})
  tables.write(folder, rows, [
      {k: v for k, v in r.items() if k != "trials"} for r in rows])
  return rows


def _inversions(config, workdir, folder, cells, splits):
  """Scores of each segmenter on inverted images and on fresh samples.

  Args:
    cells: {(shots, kind, trial): cell with a trained segmenter}.

  Returns (rows, {shots: the kind that is best on validation}).
  """
  predict, segment = cells_lib.predictor(
      config, workdir, folder, cells.values())
  names = [[c.name, checkpoint.saved_at(folder / c.name / "segmenter/ckpt")]
           for c in cells.values()]
  score = lambda split, limit=0: cells_lib.score(
      config, predict, split, folder / "inversion", names, limit=limit)
  scores = {s: score(s) for s in splits}
  valid = score(config.data.validation, config.data.num_validation_images)
  sampled = cells_lib.score_samples(config, workdir, segment, _SAMPLES)
  rows, means = [], {}
  for k, kind in dict.fromkeys(key[:2] for key in cells):
    of = lambda values, k=k, kind=kind: [
        values[cell.name] for key, cell in cells.items()
        if key[:2] == (k, kind)]
    rows += [_row(k, f"inversion, {kind}", s, of(scores[s])) for s in splits]
    if sampled:
      rows.append(_row(k, f"features, {kind}", "samples", of(sampled)))
    means.setdefault(k, {})[kind] = np.mean(of(valid))
  return rows, {k: max(v, key=v.get) for k, v in means.items()}


def _autoshots(config, workdir, folder, teachers) -> dict[tuple, Direct]:
  """Auto-shot, as published and, if the config asks for them, in other styles.

  Args:
    teachers: {shots: (kind, cell of the trained segmenter)}.
  """
  names = {AUTO_SHOT: 0.0}
  if config.autoshot.get("styles", 0.0):
    names[OTHER_STYLES] = config.autoshot.styles
  direct = {}
  for k, (kind, teacher) in teachers.items():
    for name, styles in names.items():
      cell = cells_lib.Cell(
          teacher.name + ("_styles" if styles else ""),
          cells_lib.changed(teacher.config, **{"autoshot.styles": styles}))
      cells_lib.train(
          cell, "autoshot", autoshot.make(
              cell.config, workdir, teacher=folder / teacher.name),
          workdir, folder, {"segmenter": folder / teacher.name})
      direct[f"{name}, {kind}", k, 0] = Direct(
          "auto_shot", autoshot.predictor(cell.config, folder / cell.name),
          checkpoint.saved_at(folder / cell.name / "autoshot/ckpt"))
  return direct


def _baselines(config, workdir, folder, shots, trials) -> dict[tuple, Direct]:
  """The supervised U-Net on as many real labels."""
  direct = {}
  for k in shots:
    for trial in range(trials):
      cell = cells_lib.Cell(
          f"supervised_labels{k}_draw{trial}", cells_lib.changed(
              config, **{"data.num_labeled": k, "data.split_seed": trial}))
      cells_lib.train(
          cell, "supervised", supervised.make(cell.config, workdir), workdir,
          folder)
      direct["supervised", k, trial] = Direct(
          "supervised", segmenter.predictor(
              cell.config, folder / cell.name, "supervised"),
          checkpoint.saved_at(folder / cell.name / "supervised/ckpt"))
  return direct


def _scores_of_direct(config, folder, direct, splits) -> list[dict]:
  """Rows of `direct`, over the trials of each name and number of shots."""

  def predict(images, indices):
    return {_name(key): x.predict(images, indices)[x.method]["logits"]
            for key, x in direct.items()}

  names = [[_name(key), x.saved] for key, x in direct.items()]
  rows = []
  for s in splits:
    values = cells_lib.score(config, predict, s, folder / "direct", names)
    for method, k in dict.fromkeys(key[:2] for key in direct):
      rows.append(_row(k, method, s, [
          values[_name(key)] for key in direct if key[:2] == (method, k)]))
  return rows


def _methods(rows) -> dict:
  """{method: {"shots1": {"miou": one of each trial}, ...}}, for the record."""
  methods = {}
  for row in rows:
    # Which segmenter is best may differ between numbers of shots.
    name, _, kind = row["method"].partition(", ")
    best = {"segmenter": kind} if name.startswith(AUTO_SHOT) else {}
    methods.setdefault(name if best else row["method"], {})[
        f"shots{row['shots']}"] = {"miou": row["trials"]} | best
  return methods


def _epochs(updates, shots):
  if not updates:
    return {}
  epochs = -(-updates // shots)
  return {"few_shot.epochs": epochs,
          "few_shot.decay_epochs": max(1, epochs // 20)}


def _splits(config):
  return [config.data.in_domain, *config.data.out_of_domain]


def _name(key):
  return "_".join(map(str, key))


def _row(shots, method, split, values):
  return {"split": split, "shots": shots, "method": method,
          "miou": round(float(np.mean(values)), 4),
          "spread": round(float(np.std(values, ddof=1)), 4)
          if len(values) > 1 else None,
          "trials": [round(v, 4) for v in values]}

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

import time

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

  Raises ValueError: several trials of painted shots.
  """
  started = time.monotonic()
  painted = config.shots.source == "folder"
  if trials is None:
    trials = 1 if painted else 5
  if painted and trials > 1:
    raise ValueError(
        f"--trials={trials}: painted shots are the same in every trial, so the "
        "spread would be 0; give --trials=1, and --baseline_trials for the "
        "U-Net's labels")
  experiment.check_data(config)
  folder = epath.Path(workdir) / "table"
  rows, cells = [], {}
  for k in shots:
    for trial in range(trials):
      for kind in segmenters:
        cells[k, kind, trial] = cells_lib.Cell(
            f"{kind}_shots{k}_draw{trial}", cells_lib.changed(
                config, **{"few_shot.kind": kind, "shots.count": k,
                           "shots.trial": trial}, **_epochs(updates, k)))
  cells_lib.train_segmenters(cells.values(), workdir, folder)
  predict, segment = cells_lib.predictor(
      config, workdir, folder, cells.values())
  splits = _splits(config)
  names = [[c.name, checkpoint.saved_at(folder / c.name / "segmenter/ckpt")]
           for c in cells.values()]
  scores = {s: cells_lib.score(config, predict, s, folder / "inversion", names)
            for s in splits}
  valid = cells_lib.score(
      config, predict, config.data.validation, folder / "inversion", names,
      limit=config.data.num_validation_images)

  sampled = cells_lib.score_samples(config, workdir, segment, _SAMPLES)
  direct = {}
  for k in shots:
    for kind in segmenters:
      for s in splits:
        rows.append(_row(k, f"inversion, {kind}", s, [
            scores[s][cells[k, kind, d].name] for d in range(trials)]))
      if sampled:
        rows.append(_row(k, f"features, {kind}", "samples", [
            sampled[cells[k, kind, d].name] for d in range(trials)]))
    best = max(segmenters, key=lambda kind, k=k: np.mean(
        [valid[cells[k, kind, d].name] for d in range(trials)]))
    # As published, and in other styles, if the config asks for them.
    styles = config.autoshot.get("styles", 0.0)
    teacher = cells[k, best, 0]
    for name, value in ((AUTO_SHOT, 0.0), (OTHER_STYLES, styles)):
      if name == OTHER_STYLES and not styles:
        continue
      cell = cells_lib.Cell(
          teacher.name + ("_styles" if value else ""),
          cells_lib.changed(teacher.config, **{"autoshot.styles": value}))
      cells_lib.train(
          cell, "autoshot", autoshot.make(
              cell.config, workdir, teacher=folder / teacher.name),
          workdir, folder, {"segmenter": folder / teacher.name})
      direct[f"{name}, {best}", k, 0] = (
          "auto_shot", autoshot.predictor(cell.config, folder / cell.name),
          checkpoint.saved_at(folder / cell.name / "autoshot/ckpt"))
    for trial in range(baseline_trials or trials):
      cell = cells_lib.Cell(f"supervised_labels{k}_draw{trial}",
                            cells_lib.changed(config, **{
                                "data.num_labeled": k,
                                "data.split_seed": trial}))
      cells_lib.train(
          cell, "supervised", supervised.make(cell.config, workdir), workdir,
          folder)
      direct["supervised", k, trial] = (
          "supervised", segmenter.predictor(
              cell.config, folder / cell.name, "supervised"),
          checkpoint.saved_at(folder / cell.name / "supervised/ckpt"))

  def predict_direct(images, indices):
    return {_name(key): p(images, indices)[method]["logits"]
            for key, (method, p, _) in direct.items()}

  names = [[_name(key), saved] for key, (_, _, saved) in direct.items()]
  for s in splits:
    values = cells_lib.score(
        config, predict_direct, s, folder / "direct", names)
    for method, k in dict.fromkeys(key[:2] for key in direct):
      rows.append(_row(k, method, s, [
          values[_name(key)] for key in direct if key[:2] == (method, k)]))
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

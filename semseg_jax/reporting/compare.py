"""Curves of several runs, from what is in their folders."""

from collections.abc import Iterable
from collections.abc import Mapping
import json
import pathlib

from semseg_jax.training import writers


def curves(runs: Mapping[str, str], metrics: Iterable[str]) -> dict:
  """{"run: metric": (steps, values)} of stages' folders.

  Raises:
    ValueError: a folder has no such metric; the message lists those it has.
  """
  metrics, named = tuple(metrics), {}
  for name, folder in runs.items():
    lines = writers.read_metrics(pathlib.Path(folder) / "metrics.jsonl")
    if not lines:
      raise ValueError(f"{folder}: no metrics.jsonl; give the folder of a "
                       f"stage, such as {folder}/gan")
    for metric in metrics:
      points = [(x["step"], x[metric]) for x in lines if metric in x]
      if not points:
        known = sorted({k for x in lines for k in x} - {"step", "seconds"})
        raise ValueError(f"{folder}: no metric {metric!r}; there are {known}")
      title = f"{name}: {metric}" if len(metrics) > 1 else name
      named[title] = tuple(zip(*points, strict=True))
  return named


def roc(runs: Mapping[str, str], split: str) -> tuple[dict, list[dict]]:
  """(ROC curves by name, rows of a table) of image classifiers of runs.

  Raises ValueError: a run has no such evaluation, or no classifier in it.
  """
  named, rows = {}, []
  for name, folder in runs.items():
    path = pathlib.Path(folder) / "eval" / split
    try:
      by_stage = json.loads((path / "roc.json").read_text())
      scores = json.loads((path / "record.json").read_text())["extra"]["mlmt"]
    except FileNotFoundError:
      raise ValueError(
          f"{path}: no roc.json and record.json; semseg-jax eval writes them "
          "for runs with the stage 'mlmt'") from None
    for stage, curve in by_stage.items():
      named[f"{name}: {stage}"] = curve
      # Not defined where every image has all classes.
      area = scores[stage].get("roc_area")
      rows.append({
          "Run": name, "Classifier": stage,
          "mAP": round(100 * scores[stage]["mean_average_precision"], 2),
          "ROC area": round(100 * area, 2) if area is not None else "-"})
  return named, rows

"""ROC curves of image classifiers of several evaluated runs in one plot.

  semseg-jax roc --split=test --out=roc.png \
      --run="ImageNet=runs/a" --run="from scratch=runs/b"

A line for the mean teacher and for the plain classifier of each run, as in
Mittal et al. 2019; mean average precisions go to stdout. eval.py comes first.
"""

import json
import pathlib
import sys

from absl import flags

from semseg_jax.cli import arguments
from semseg_jax.cli import launcher
from semseg_jax.evaluation import figures
from semseg_jax.evaluation import plots
from semseg_jax.evaluation import tables


def collect(runs: dict[str, str], split: str):
  """(curves by name, rows of a table) of the runs' folders.

  Raises:
    ValueError: a run has no such evaluation, or no classifier in it.
  """
  curves, rows = {}, []
  for name, folder in runs.items():
    path = pathlib.Path(folder) / "eval" / split
    try:
      by_stage = json.loads((path / "roc.json").read_text())
      scores = json.loads((path / "record.json").read_text())["extra"]["mlmt"]
    except FileNotFoundError:
      raise ValueError(
          f"{path}: no roc.json and record.json; eval.py writes them for runs "
          "with the stage 'mlmt'") from None
    for stage, curve in by_stage.items():
      curves[f"{name}: {stage}"] = curve
      rows.append({
          "Run": name, "Classifier": stage,
          "mAP": round(100 * scores[stage]["mean_average_precision"], 2),
          "ROC area": round(100 * scores[stage]["roc_area"], 2)})
  return curves, rows


def main(argv):
  del argv
  try:
    curves, rows = collect(
        arguments.named_folders(flags.FLAGS.run), flags.FLAGS.split)
    figures.save(flags.FLAGS.out, plots.roc(curves))
  except (OSError, ValueError) as error:
    sys.exit(f"error: {error}")
  print(f"{tables.text(rows)}\n\nwrote {flags.FLAGS.out}")


def define_flags():
  """See --help."""
  flags.DEFINE_multi_string("run", None, "NAME=FOLDER of an evaluated run.")
  flags.DEFINE_string("split", "test", "The evaluated split.")
  flags.DEFINE_string("out", "roc.png", "PNG to write.")
  flags.mark_flags_as_required(["run"])


if __name__ == "__main__":
  launcher.main(["roc", *sys.argv[1:]])

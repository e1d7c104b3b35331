"""Draws one metric of several trained stages in one plot.

  semseg-jax curves --metric=d_score/unlabeled \
      --run="self-training=runs/a/s4gan" --run="without=runs/b/s4gan" \
      --out=curves.png
"""

import pathlib
import sys

from absl import flags

from semseg_jax.cli import arguments
from semseg_jax.cli import launcher
from semseg_jax.evaluation import figures
from semseg_jax.evaluation import plots
from semseg_jax.training import writers


def curves(runs: dict[str, str], metrics) -> dict:
  """{"run: metric": (steps, values)} of stages' folders.

  Raises:
    ValueError: a folder has no such metric; the message lists those it has.
  """
  named = {}
  for name, folder in runs.items():
    lines = writers.read_metrics(pathlib.Path(folder) / "metrics.jsonl")
    for metric in metrics:
      points = [(x["step"], x[metric]) for x in lines if metric in x]
      if not points:
        known = sorted({k for x in lines for k in x} - {"step", "seconds"})
        raise ValueError(f"{folder}: no metric {metric!r}; there are {known}")
      title = f"{name}: {metric}" if len(metrics) > 1 else name
      named[title] = tuple(zip(*points, strict=True))
  return named


def main(argv):
  del argv
  try:
    runs = arguments.named_folders(flags.FLAGS.run)
    plotted = plots.panel(
        curves(runs, flags.FLAGS.metric), title=", ".join(flags.FLAGS.metric))
    figures.save(flags.FLAGS.out, plotted)
  except (OSError, ValueError) as error:
    sys.exit(f"error: {error}")
  print(f"wrote {flags.FLAGS.out}")


def define_flags():
  """See --help."""
  flags.DEFINE_multi_string(
      "metric", None, "Names of metrics in metrics.jsonl; a line each.")
  flags.DEFINE_multi_string(
      "run", None, "NAME=FOLDER of a trained stage.")
  flags.DEFINE_string("out", "curves.png", "PNG to write.")
  flags.mark_flags_as_required(["metric", "run"])


if __name__ == "__main__":
  launcher.main(["curves", *sys.argv[1:]])

r"""Makes one page about a run, report.html, from what is in its folder.

  semseg-jax report --workdir=runs/mine

The page needs no network. Evaluation makes it too; this is for a run that is
still training, or whose page was lost. Several runs in one plot:

  semseg-jax report --metric=d_score/unlabeled --out=curves.png \
      --run="self-training=runs/a/s4gan" --run="without=runs/b/s4gan"
  semseg-jax report --roc=test --out=roc.png \
      --run="ImageNet=runs/a" --run="from scratch=runs/b"

--metric draws metrics of trained stages. --roc draws the ROC curves of the
image classifiers of evaluated runs, a line for the mean teacher and for the
plain classifier of each run, and prints their mean average precisions
(Mittal et al. 2021).
"""

import sys

from absl import flags
from etils import epath

from semseg_jax.evaluation import figures
from semseg_jax.evaluation import plots
from semseg_jax.evaluation import tables
from semseg_jax.reporting import compare
from semseg_jax.reporting import report
from semseg_jax.training import console
from semseg_jax.training import exits


def define_flags():
  """See --help."""
  flags.DEFINE_string("workdir", None, "Folder of the run.")
  flags.DEFINE_multi_string(
      "run", [], "NAME=FOLDER of a trained stage, with --roc of a run.")
  flags.DEFINE_multi_string(
      "metric", [], "Names of metrics in metrics.jsonl; a line each.")
  flags.DEFINE_string("roc", "", "The evaluated split.")
  flags.DEFINE_string("out", "plot.png", "PNG to write.")


def main(argv):
  del argv
  given = flags.FLAGS
  console.setup()
  with exits.one_line():
    if bool(given.workdir) + bool(given.metric) + bool(given.roc) != 1:
      sys.exit("error: give one of --workdir, --metric and --roc")
    if given.workdir:
      if given.run or given["out"].present:
        sys.exit("error: --run and --out go with --metric or --roc: a run's "
                 "page is report.html in its folder")
      print(report.write(given.workdir))
      return
    runs = _folders(given.run)
    if given.metric:
      plotted = plots.panel(compare.curves(runs, given.metric),
                            title=", ".join(given.metric))
    else:
      curves, rows = compare.roc(runs, given.roc)
      plotted = plots.roc(curves)
      print(f"{tables.text(rows)}\n")
    epath.Path(given.out).parent.mkdir(parents=True, exist_ok=True)
    figures.save(given.out, plotted)
    print(f"wrote {given.out}")


def _folders(values) -> dict[str, str]:
  """{name: folder} of NAME=FOLDER texts."""
  if not values or not all(value.find("=") > 0 for value in values):
    raise ValueError("name the runs by --run=NAME=FOLDER")
  folders = dict(value.split("=", 1) for value in values)
  if len(folders) < len(values):
    raise ValueError("two runs have the same name: give each --run another")
  return folders

"""Makes one page about a run, report.html, from what is in its folder.

  python -m semseg_jax.cli.report --workdir=runs/mine

The page needs no network. Evaluation makes it too; this is for a run that is
still training, or whose page was lost.
"""

from absl import app
from absl import flags

from semseg_jax.reporting import report
from semseg_jax.training import exits

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run.", required=True)


def main(argv):
  del argv
  with exits.one_line():
    print(report.write(_WORKDIR.value))


if __name__ == "__main__":
  app.run(main)

"""Makes one page about a run, report.html, from what is in its folder.

  semseg-jax report --workdir=runs/mine

The page needs no network. Evaluation makes it too; this is for a run that is
still training, or whose page was lost.
"""

import sys

from absl import flags

from semseg_jax.cli import launcher
from semseg_jax.reporting import report
from semseg_jax.training import exits


def define_flags():
  """See --help."""
  flags.DEFINE_string(
      "workdir", None, "Folder of the run.", required=True)


def main(argv):
  del argv
  with exits.one_line():
    print(report.write(flags.FLAGS.workdir))


if __name__ == "__main__":
  launcher.main(["report", *sys.argv[1:]])

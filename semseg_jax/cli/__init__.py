"""The commands; `launcher` runs them."""

import sys

# Python imports the package so for `python -m semseg_jax.cli.prepare`, which
# would define a command and end, as if it had found nothing to complain about.
if sys.argv[:1] == ["-m"]:
  sys.exit("error: commands are run as: python -m semseg_jax COMMAND")

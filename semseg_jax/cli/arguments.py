"""Reads command lines; a mistake is one line."""

import re
import sys

from absl import flags


def parse(argv):
  """absl's flags; for `app.run(main, flags_parser=arguments.parse)`.

  Exits with status 1 and "error: ..." where a flag, the config file, its
  argument or one of its fields is not as it has to be.
  """
  try:
    rest = flags.FLAGS(argv)
    flags.FLAGS.config.keys()  # a file that is missing is told only on use
  except (flags.Error, AttributeError, KeyError, TypeError, ValueError,
          OSError) as error:
    sys.exit(f"error: {_cause(error, argv)}")
  if len(rest) > 1:
    sys.exit(f"error: unknown argument {rest[1]!r}")
  return rest


def named_folders(values) -> dict[str, str]:
  """{name: folder} of a flag --run=NAME=FOLDER that may be repeated.

  Raises:
    ValueError: a value without a name.
  """
  for value in values:
    if "=" not in value:
      raise ValueError(f"--run={value}: write NAME=FOLDER")
  return dict(value.split("=", 1) for value in values)


def _cause(error, argv) -> str:
  """What was wrong, in one line."""
  text = str(error)
  lines = [line.strip() for line in text.splitlines() if line.strip()]
  if isinstance(error, AttributeError | KeyError):
    # ml_collections names the last part of an unknown field, and a like one.
    name = re.search(r"'(\w+)", text)[1]
    meant = re.search(r'Did you mean "(\w+)"', text)
    given = [a for a in argv if f".{name}" in a]
    if given:
      return (f"{given[0]}: the config has no field {name!r}"
              + (f"; did you mean {meant[1]!r}?" if meant else ""))
  # Of a traceback in the message, the last line says why.
  shown = "Traceback" in text or isinstance(error, OSError)
  return lines[-1] if shown else " ".join(lines)

"""Reads command lines; a mistake is one line."""

import os
import re
import sys

from absl import flags
import ml_collections


def parse(argv):
  """absl's flags; for `app.run(main, flags_parser=arguments.parse)`.

  Exits with status 1 and "error: ..." where a flag, the config file, its
  argument or one of its fields is not as it has to be.
  """
  try:
    rest = flags.FLAGS(argv)
    if "config" in flags.FLAGS:
      flags.FLAGS.config.keys()  # a file that is missing is told only on use
    _expand_home(argv)
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


def _expand_home(argv):
  """Takes `~` in the values of flags and of the config's fields for home."""
  for flag in flags.FLAGS.flags_by_module_dict().get(argv[0], []):
    if isinstance(flag.value, str):
      flag.value = _expanded(flag.value)
  if "config" in flags.FLAGS:
    _expand_fields(flags.FLAGS.config)


def _expand_fields(block):
  for name, value in block.items():
    if isinstance(value, ml_collections.ConfigDict):
      _expand_fields(value)
    elif isinstance(value, str) and value.startswith("~"):
      block[name] = _expanded(value)


def _expanded(text):
  return os.path.expanduser(text) if text.startswith("~") else text


def _cause(error, argv) -> str:
  """What was wrong, in one line."""
  text = str(error)
  lines = [line.strip() for line in text.splitlines() if line.strip()]
  if isinstance(error, AttributeError | KeyError):
    # ml_collections names the last part of an unknown field, and a like one.
    name = re.search(r"'(\w+)", text)
    meant = re.search(r'Did you mean "(\w+)"', text)
    # The whole part: --config.gan.steps is no --config.gan.step.
    given = name and [
        a for a in argv if name[1] in re.split(r"[.=]", a.split("=")[0])]
    if given:
      return (f"{given[0]}: the config has no field {name[1]!r}"
              + (f"; did you mean {meant[1]!r}?" if meant else ""))
  if isinstance(error, OSError):
    given = [a for a in argv if a.startswith("--config=")]
    return " ".join([*(f"{a}:" for a in given[:1]), lines[-1]])
  # Of a traceback in the message, the last line says why.
  return lines[-1] if "Traceback" in text else " ".join(lines)

"""Reads command lines; a mistake is one line."""

from collections.abc import Iterable
import importlib.util
import os
import re
import sys

from absl import flags
import ml_collections
from ml_collections import config_flags


def define_run(workdir: str = "", *, trained: bool = False):
  """Flags of commands that take a config and a run's folder.

  Args:
    workdir: what the folder is; without, there is no flag for it.
    trained: whether the folder holds a run, whose config then is the default.
  """
  config_flags.DEFINE_config_file(
      "config", None, "Config file of the experiment." + (
          " By default the run's own; one that was trained otherwise is an "
          "error." if trained else ""), lock_config=True)
  if trained:
    flags.DEFINE_string("data_dir", "", "The run's data set, if it has moved.")
  else:
    flags.mark_flag_as_required("config")
  if workdir:
    flags.DEFINE_string("workdir", None, workdir)
    flags.mark_flag_as_required("workdir")


def as_fields(argv: list[str]) -> list[str]:
  """--config.FIELD=VALUE as --config=FIELD=VALUE.

  For commands that have no config file of their own: there --config is a flag
  that may be repeated.
  """
  return [re.sub(r"^--config\.", "--config=", a) for a in argv]


def load_config(text: str):
  """The config that FILE:ARGUMENT names, unlocked.

  Raises:
    ValueError: it is no Python file, or does not know the argument.
    OSError: no such file.
  """
  path, _, argument = text.partition(":")
  spec = importlib.util.spec_from_file_location("loaded_config", path)
  if spec is None:
    raise ValueError(f"--config={path}: not a Python file")
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config(*[argument][:bool(argument)])


def parse(argv, *, own: Iterable[flags.Flag] = (), names: bool = False):
  """absl's flags; for `app.run(main, flags_parser=...)`.

  Exits with status 1 and "error: ..." where a flag, the config file, its
  argument or one of its fields is not as it has to be.

  Args:
    argv: the command line.
    own: the command's flags.
    names: whether it takes arguments that are no flags.

  Returns:
    What is no flag; first the command itself.
  """
  try:
    rest = flags.FLAGS(argv)
    config = flags.FLAGS.config if "config" in flags.FLAGS else None
    if config is not None and not isinstance(config, list):
      _expand_fields(config)
    _expand_home(own)
  except (flags.Error, AttributeError, KeyError, TypeError, ValueError,
          OSError) as error:
    sys.exit(f"error: {_cause(error, argv)}")
  if len(rest) > 1 and not names:
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


def _expand_home(own):
  """Takes `~` in the values of flags for home."""
  for flag in own:
    if isinstance(flag.value, str):
      flag.value = _expanded(flag.value)


def _expand_fields(block):
  for name, value in block.items():
    if isinstance(value, ml_collections.ConfigDict):
      _expand_fields(value)
    elif isinstance(value, str) and value.startswith("~"):
      block[name] = _expanded(value)


def _expanded(text):
  return os.path.expanduser(text) if text.startswith("~") else text


def _is_a_field(given: str, argv) -> bool:
  """Whether the config that argv names has the field of --config.FIELD=..."""
  files = [a.partition("=")[2] for a in argv if a.startswith("--config=")]
  try:
    value = load_config(files[-1])
    for part in given.partition("=")[0].split(".")[1:]:
      value = value[part]
  except (LookupError, TypeError, ValueError, OSError, AttributeError):
    return False
  return True


def _cause(error, argv) -> str:
  """What was wrong, in one line."""
  text = str(error)
  lines = [line.strip() for line in text.splitlines() if line.strip()]
  if isinstance(error, AttributeError | KeyError):
    # ml_collections names the last part of an unknown field, and a like one.
    name = re.search(r"'(\w+)", text)
    meant = re.search(r'Did you mean "(\w+)"', text)
    # The whole part: --config.gan.steps is no --config.gan.step.
    given = name and sorted(
        (a for a in argv if name[1] in re.split(r"[.=]", a.split("=")[0])),
        key=lambda a: _is_a_field(a, argv))
    if given:
      return (f"{given[0]}: the config has no field {name[1]!r}"
              + (f"; did you mean {meant[1]!r}?" if meant else ""))
  if isinstance(error, OSError):
    given = [a for a in argv if a.startswith("--config=")]
    return " ".join([*(f"{a}:" for a in given[:1]), lines[-1]])
  # Of a traceback in the message, the last line says why.
  return lines[-1] if "Traceback" in text else " ".join(lines)

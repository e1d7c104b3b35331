"""Reads command lines; a mistake is one line."""

import ast
from collections.abc import Iterable
from collections.abc import Sequence
import importlib.util
import itertools
import os
import pathlib
import re
import sys

from absl import flags
import ml_collections
from ml_collections import config_flags

from semseg_jax.training import mesh

_OF_RUN = pathlib.Path(__file__).with_name("trained_config.py")


def define_run(workdir: str = "", *, trained: bool = False,
               values=flags.FLAGS, argv: Sequence[str] | None = None):
  """Flags of commands that take a config and a run's folder.

  Args:
    workdir: what the folder is; without, there is no flag for it.
    trained: whether the folder holds a run, whose config then is the default.
    values: where they are defined.
    argv: the command line; by default this process's.
  """
  config_flags.DEFINE_config_file(
      "config", None, "Config file of the experiment." + (
          " By default the run's own; one that was trained otherwise is an "
          "error." if trained else ""), values, lock_config=True,
      sys_argv=argv)
  if trained:
    flags.DEFINE_string("data_dir", "", "The run's data set, if it has moved.",
                        flag_values=values)
  else:
    require("config", values=values)
  if workdir:
    flags.DEFINE_string("workdir", None, workdir, flag_values=values)
    require("workdir", values=values)


def require(*names: str, values=flags.FLAGS) -> None:
  """Marks flags that have to be given, and not as an empty text, which would
  mean the current folder: that is --out=$UNSET."""
  flags.mark_flags_as_required(names, values)
  for name in names:
    flags.register_validator(
        name, lambda value: value != "", "is empty", flag_values=values)


def define_processes(values=flags.FLAGS):
  """Flags with which a command joins a run of several processes."""
  flags.DEFINE_string(
      "coordinator", None, "Joins a run of several processes: \"host:port\" of "
      "process 0, the same on all, or \"auto\" to read everything from the "
      "cluster's environment (Slurm, Cloud TPU, GKE).", flag_values=values)
  flags.DEFINE_integer(
      "processes", 1, "Processes in all; not with --coordinator=auto.",
      flag_values=values)
  flags.DEFINE_integer(
      "process", 0, "This process's number, from 0; not with "
      "--coordinator=auto.", flag_values=values)


def join(given=flags.FLAGS) -> None:
  """Joins the run that these flags describe; before any other use of JAX.

  Exits with one line where they contradict each other or nobody answers.
  """
  numbered = given["processes"].present or given["process"].present
  if numbered and given.coordinator in (None, "auto"):
    sys.exit("error: --processes and --process need --coordinator=host:port "
             "of process 0")
  try:
    mesh.initialize(given.coordinator, given.processes, given.process)
  except (ValueError, RuntimeError) as error:
    sys.exit(f"error: --coordinator={given.coordinator}: "
             f"{str(error).splitlines()[0]}")


def numbers(kind: type, name: str, given=flags.FLAGS, *, least: int = 0
            ) -> list:
  """The values of a list flag as int or float; exits where one is not, or
  where there are fewer than `least`."""
  texts = given[name].value
  try:
    if len(texts) < least:
      raise ValueError
    return [kind(text) for text in texts]
  except ValueError:
    sys.exit(f"error: --{name}={','.join(texts)}: give "
             f"{'whole ' if kind is int else ''}numbers, separated by commas")


def seeds(given=flags.FLAGS, *, least: int = 1) -> list[int]:
  """Those of --seeds; exits where one is no whole number or there twice, or
  where there are fewer than `least`."""
  values = numbers(int, "seeds", given, least=least)
  if len(set(values)) < len(values):
    sys.exit(f"error: --seeds={','.join(map(str, values))}: give each once")
  return values


def joined(argv: Sequence[str]) -> list[str]:
  """`--workdir DIR` as `--workdir=DIR`, --model and --config alike, for what
  looks at the command line before absl does."""
  words, rest = [], iter(argv)
  for word in rest:
    if name := re.fullmatch(r"--?(workdir|model|config)", word):
      word = "=".join((f"--{name[1]}", *itertools.islice(rest, 1)))
    words.append(re.sub(r"^-(?=(workdir|model|config)[.=])", "--", word))
  return words


def as_fields(argv: list[str]) -> list[str]:
  """--config.FIELD=VALUE as --config=FIELD=VALUE.

  For commands that have no config file of their own: there --config is a flag
  that may be repeated.
  """
  return [re.sub(r"^--config\.", "--config=", a) for a in argv]


def of_run(argv: list[str]) -> list[str]:
  """With the config of the run in --workdir or --model, where fields of it are
  changed and no file is given."""
  folders = [a.partition("=")[2] for a in argv
             if a.startswith(("--workdir=", "--model="))]
  if not folders or any(a.partition("=")[0] == "--config" for a in argv) or (
      not any(a.startswith("--config.") for a in argv)):
    return argv
  return [f"--config={_OF_RUN}:{_expanded(folders[-1])}", *argv]


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


def changes(texts: Iterable[str]) -> dict:
  """{field: value} of FIELD=VALUE texts, values as Python writes them.

  Raises ValueError: one without a value, or the seed.
  """
  fields = {}
  for text in texts:
    field, equals, value = text.partition("=")
    if not equals:
      raise ValueError(f"--config.{text}: write --config.FIELD=VALUE")
    try:
      fields[field] = ast.literal_eval(value)
    except (SyntaxError, ValueError):
      fields[field] = value
  refuse_seed(fields)
  return fields


def refuse_seed(fields) -> None:
  """Raises ValueError where changes of several runs' configs set the seed.

  All would be the same run, and their spread 0.
  """
  if "seed" in fields:
    raise ValueError(f"--config.seed={fields['seed']}: each run has a seed of "
                     "its own, which --seeds names")


def seeded_config(config: str, seed: int, texts: Iterable[str] = ()):
  """The config FILE:ARGUMENT with this seed and FIELD=VALUE changes, locked.

  Raises:
    ValueError: a malformed change, an unknown field or argument, or a seed
      among the arguments.
    OSError: no such file.
  """
  path, _, argument = config.partition(":")
  if given := re.search(r"(?:^|,)(seed=[^,]*)", argument):
    raise ValueError(f"{given[1]} in --config={config}: each run has a seed of "
                     "its own, which --seeds names")
  loaded = load_config(
      f"{path}:" + ",".join(filter(None, (argument, f"seed={seed}")))).lock()
  for field, value in changes(texts).items():
    try:
      loaded.update_from_flattened_dict({field: value})
    except (AttributeError, KeyError, TypeError) as error:
      raise ValueError(
          f"--config.{field}={value}: write --config.FIELD=VALUE with a field "
          "of the config and a value of its type") from error
  return loaded


def parse(argv, *, own: Iterable[flags.Flag] = (), names: bool = False):
  """absl's flags; for `app.run(main, flags_parser=...)`.

  Exits with status 1 and "error: ..." where a flag, the config file, its
  argument or one of its fields is not as it has to be.

  Args:
    argv: the command line.
    own: the command's flags.
    names: whether it takes arguments that are no flags.

  Returns what is no flag; first the command itself.
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


def _expand_home(own):
  """Takes `~` in the values of flags for home."""
  for flag in own:
    if isinstance(flag.value, str):
      flag.value = _expanded(flag.value)
    elif isinstance(flag.value, list):
      flag.value = [_expanded(x) if isinstance(x, str) else x
                    for x in flag.value]


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
  if absent := re.search(r"Flag (--\w+) must have a value other", text):
    return f"{absent[1]} is missing"
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
    given = [a for a in argv
             if a.startswith("--config=") and str(_OF_RUN) not in a]
    reason = lines[-1].rpartition("an earlier failure to load: ")[2]
    return " ".join([*(f"{a}:" for a in given[:1]), reason])
  # Of a traceback in the message, the last line says why.
  return (lines[-1].removeprefix("ValueError: ") if "Traceback" in text
          else " ".join(lines))

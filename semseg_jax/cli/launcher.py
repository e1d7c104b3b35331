"""The command line: `semseg-jax COMMAND`, `python -m semseg_jax`, train.py ...

What the platform needs before JAX starts is done here, once; a command's module
is imported after it. Each has `define_flags()`, whose names and texts
`semseg-jax COMMAND --help` prints below the module's docstring, and
`main(argv)`.
"""

from collections.abc import Sequence
import importlib
import os
import pathlib
import sys
from typing import NamedTuple

from absl import app
from absl import flags

from semseg_jax.cli import arguments
from semseg_jax.cpu import startup
from semseg_jax.training import console

PACKAGE = pathlib.Path(__file__).resolve().parents[1]


class Command(NamedTuple):
  """What has to be known of a command before its module is imported.

  summary: a line for the overview.
  device: "run" where it computes, "compile" where it compiles for machines
    that are not here, "" where it needs no JAX.
  names: whether it takes arguments that are no flags.
  configs: whether --config.FIELD=VALUE changes every config it uses, without a
    config file of its own.
  of_run: whether without --config=FILE it changes the config of the run in
    --workdir or --model.
  """
  summary: str
  device: str = "run"
  names: bool = False
  configs: bool = False
  of_run: bool = False


COMMANDS = {
    "train": Command("train the stages of a config; continues a run"),
    "eval": Command("label and score the test images with a trained run",
                    of_run=True),
    "label": Command("label a folder of images with a trained run",
                     of_run=True),
    "export": Command("a trained run as one file"),
    "sample": Command("write generated images for a person to label",
                      of_run=True),
    "synthesize": Command("images from masks, scribbles or landmarks"),
    "prepare": Command("check a data set and say what it holds", "", True),
    "convert": Command("PyTorch checkpoints to safetensors", ""),
    "table": Command("tables of results, and the runs that they need",
                     configs=True),
    "sweep": Command("one experiment with several seeds"),
    "plan": Command("memory and time on accelerators that are not here",
                    "compile"),
    "report": Command("one page about a run; several runs in a plot", ""),
    "demo": Command("the shipped model beside a U-Net, in a table"),
    "train_models": Command("train the published models", configs=True),
}


def main(argv: Sequence[str] | None = None):
  """Runs a command.

  Args:
    argv: the command's name and its flags; by default those of this process.
  """
  given = list(sys.argv[1:] if argv is None else argv)
  if not given or given[0] in ("help", "--help", "-h"):
    print(overview())
    return
  name = given[0].replace("-", "_")
  if name not in COMMANDS:
    sys.exit(f"error: no command {given[0]!r}; there are "
             f"{', '.join(COMMANDS)}")
  command = COMMANDS[name]
  set_up(command.device)
  sys.argv = [f"semseg-jax {name}", *arguments.joined(given[1:])]
  if not command.configs:
    # Before --config.FIELD, which needs it.
    sys.argv[1:] = sorted(config_files(sys.argv[1:]),
                          key=lambda x: not x.startswith("--config="))
  else:
    sys.argv[1:] = arguments.as_fields(sys.argv[1:])
  if command.of_run:
    sys.argv[1:] = arguments.of_run(sys.argv[1:])
  module = importlib.import_module(f"semseg_jax.cli.{name}")
  others = set(flags.FLAGS)  # Libraries define flags when they are imported.
  module.define_flags()
  own = [flags.FLAGS[n] for n in flags.FLAGS if n not in others]
  if any(a in ("--help", "-h", "--helpshort") for a in given[1:]):
    print(help_of(name, module.__doc__, own))
    return
  app.run(module.main, flags_parser=lambda argv: arguments.parse(
      argv, own=own, names=command.names))


def set_up(device: str = "run"):
  """What must be done before JAX starts; see `Command.device`."""
  console.quiet_native()
  # Config files import their neighbors as `configs.`.
  if configs_folder().parent == PACKAGE.parent:
    if str(PACKAGE.parent) not in sys.path:
      sys.path.insert(0, str(PACKAGE.parent))
  else:
    sys.modules.setdefault(
        "configs", importlib.import_module("semseg_jax.configs"))
  if device == "compile":
    # The compiler needs no accelerator, and must not look for one.
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if "jax" in sys.modules:
      sys.modules["jax"].config.update(
          "jax_platforms", os.environ["JAX_PLATFORMS"])
    startup.compile_cache()
  elif device == "run":
    startup.setup()


def configs_folder() -> pathlib.Path:
  """configs/ of the checkout, or of the installed distribution."""
  folder = PACKAGE.parent / "configs"
  # Somebody else's `configs` may lie beside an installed package.
  return folder if (folder / "semantic_gan").is_dir() else PACKAGE / "configs"


def config_files(argv: Sequence[str]) -> list[str]:
  """--config=METHOD/NAME[:ARGUMENT] as the file in configs/, where there is no
  such file in the current folder."""
  changed = []
  for argument in argv:
    flag, given, value = argument.partition("=")
    name, colon, rest = value.partition(":")
    stem = name.removeprefix("configs/").removesuffix(".py")
    known = configs_folder() / f"{stem}.py"
    if (flag == "--config" and given and stem and known.is_file()
        and not pathlib.Path(name).is_file()):
      argument = f"--config={known}{colon}{rest}"
    changed.append(argument)
  return changed


def overview() -> str:
  """All commands, a line each."""
  width = max(map(len, COMMANDS))
  lines = [f"  {name:{width}}  {c.summary}" for name, c in COMMANDS.items()]
  return "\n".join((
      "usage: semseg-jax COMMAND [--FLAG=VALUE ...]", "", *lines, "",
      "Fields of a config are changed by --config.FIELD=VALUE.",
      "semseg-jax COMMAND --help shows an example and the flags."))


def help_of(name: str, docstring: str, own) -> str:
  """A command's description and its flags.

  Args:
    name: of the command.
    docstring: of its module.
    own: its flags.
  """
  lines = [f"semseg-jax {name}: {docstring.strip()}", "", "flags:"]
  for flag in sorted(own, key=lambda f: f.name):
    default = "" if flag.default in (None, "", []) else (
        f" (default: {flag.default_as_str})")
    lines.append(f"  --{flag.name}: {flag.help}{default}")
  return "\n".join(lines)

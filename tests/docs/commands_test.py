"""Every command that a page shows can be parsed: names, flags, config fields.

Bash itself expands variables, loops and arrays of a page's blocks, in order.
Functions in the place of the commands write down what they are given: nothing
is run.
"""

import ast
import functools
import pathlib
import re
import shlex
import subprocess

from absl import flags
import ml_collections
from ml_collections import config_flags
import pytest

from docs.site import command_reference
from docs.site import config_reference
from semseg_jax.cli import arguments
from semseg_jax.cli import launcher

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"\b(semseg-jax|python -m|make) |^ *\w+=", re.MULTILINE)
_SHELL = r"""
command_not_found_handle() { :; }
note() { for word; do printf '%s\x1f' "$word"; done >> "$RECORD"
         printf '\x1e' >> "$RECORD"; }
semseg-jax() { note semseg-jax "$@"; }
python() { note python "$@"; }
make() { note make "$@"; }
srun() { while [ "${1#-}" != "$1" ]; do shift; done; "$@"; }
cd() { :; }
"""
_EVERYWHERE = {"help", "verbosity", "data_dir"}


def commands(text: str, folder: pathlib.Path) -> list[list[str]]:
  """Words of every command in the blocks of Markdown."""
  blocks = [b for language, b in _BLOCK.findall(text)
            if language in ("", "bash", "sh") and _COMMAND.search(b)]
  script = _SHELL + "\n".join(
      f"eval {shlex.quote(block)}" for block in blocks)
  record = folder / "record"
  record.touch()
  process = subprocess.run(
      ["/bin/bash", "-c", script], cwd=folder, check=False, timeout=60,
      capture_output=True, text=True,
      env={"PATH": "/nonexistent", "RECORD": str(record)})
  assert "syntax error" not in process.stderr, process.stderr
  return [c.split("\x1f")[:-1] for c in record.read_text().split("\x1e")[:-1]]


def inline(text: str) -> list[list[str]]:
  """The same of `code` in the text, where it has no placeholder."""
  text = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
  spans = [" ".join(s.split()) for s in re.findall(r"`([^`]+)`", text)]
  return [s.split() for s in spans
          if s.startswith(("semseg-jax ", "make ", "python -m "))]


def problem(words: list[str]) -> str:
  """What cannot be parsed, or nothing."""
  if words[0] == "python" and words[1:3] == ["-m", "semseg_jax"]:
    words = ["semseg-jax", *words[3:]]
  if words[0] == "make":
    return next((f"make {w}: no target" for w in words[1:]
                 if "=" not in w and w not in _targets()), "")
  if words[0] == "python":
    return _module_problem(words[2:]) if words[1] == "-m" else ""
  return _semseg_problem(words[1], words[2:])


def _semseg_problem(name, words):
  name = name.replace("-", "_")
  if name not in launcher.COMMANDS:
    return f"semseg-jax {name}: no such command"
  given = [w.lstrip("-").partition("=") for w in words if w.startswith("-")]
  known = _flags(name) | _EVERYWHERE
  for flag, _, value in given:
    if flag.startswith("config."):
      continue
    if flag not in known and flag.removeprefix("no") not in known:
      return f"semseg-jax {name}: no flag --{flag}"
    if flag == "study" and value not in _studies():
      return f"--study={value}: no such table"
    if flag == "table" and value not in ("all", "list", "NAME"):
      for table in value.split(","):
        if not (_ROOT / f"configs/tables/{table}.py").exists():
          return f"--table={value}: no such table"
  fields = [w for w in words if w.startswith("--config.")]
  config = [v for f, _, v in given if f == "config" and v.strip(".")]
  if launcher.COMMANDS[name].configs or not config:
    return next((f"{f}: no config has this field" for f in fields
                 if not _is_known(f)), "")
  argv = launcher.config_files([name, *words])
  argv = [re.sub(r"^--config=configs/", f"--config={_ROOT}/configs/", w)
          for w in argv]
  values = flags.FlagValues()
  try:
    config_flags.DEFINE_config_file(
        "config", None, "", values, lock_config=True, sys_argv=argv)
    values(argv, known_only=True)
  except (flags.Error, AttributeError, KeyError, TypeError, ValueError,
          OSError) as error:
    return f"{' '.join(words)}: {str(error).splitlines()[-1]}"
  return ""


def _module_problem(words):
  if words[0].partition(".")[0] != "benchmarks":
    return ""
  path = _ROOT / words[0].replace(".", "/")
  files = sorted(path.glob("*.py")) or [path.with_suffix(".py")]
  if not files[0].exists():
    return f"python -m {words[0]}: no such module"
  source = "\n".join(f.read_text() for f in files)
  for word in words[1:]:
    flag = word.partition("=")[0].lstrip("-")
    if (word.startswith("--") and not flag.startswith("config")
        and f'"{flag}"' not in source and f'"--{flag}"' not in source):
      return f"python -m {words[0]}: no flag --{flag}"
  return ""


def _is_known(field):
  name, equals, _ = field.removeprefix("--config.").partition("=")
  return not equals or name in {"FIELD", "..."} or name in _fields()


@functools.cache
def _targets():
  text = (_ROOT / "Makefile").read_text()
  return set(re.findall(r"^([\w-]+):", text, re.MULTILINE))


@functools.cache
def _flags(command):
  source = (_ROOT / f"semseg_jax/cli/{command}.py").read_text()
  return {row[0] for row in command_reference.flags(ast.parse(source))} | set(
      re.findall(r'DEFINE_alias\(\s*"(\w+)"', source))


@functools.cache
def _studies():
  source = (_ROOT / "semseg_jax/cli/eval.py").read_text()
  return set(re.findall(r'"(\w+)"', re.search(
      r"^STUDIES = .*?[)\]}]$", source, re.DOTALL | re.MULTILINE)[0]))


@functools.cache
def _fields():
  """Names of the fields of all methods' configs."""
  names = set()
  for method in config_reference.METHODS:
    config = arguments.load_config(str(_ROOT / f"configs/{method}/base.py"))
    names |= set(_flat(config, ""))
  return names


def _flat(block, prefix):
  for name, value in block.items():
    yield f"{prefix}{name}"
    if isinstance(value, ml_collections.ConfigDict):
      yield from _flat(value, f"{prefix}{name}.")


_PAGES = sorted([*_ROOT.glob("*.md"), *_ROOT.glob("docs/*.md"),
                 _ROOT / "benchmarks/README.md"])


@pytest.mark.parametrize(
    "path", [p for p in _PAGES if p.name != "CHANGELOG.md"],
    ids=lambda p: str(p.relative_to(_ROOT)))
def test_commands_of_a_page_can_be_parsed(path, tmp_path):
  text = path.read_text()
  shown = commands(text, tmp_path) + inline(text)
  wrong = {f for f in re.findall(r"--config\.[\w.]+=", text)
           if not _is_known(f)}
  assert not wrong
  assert not [x for x in map(problem, shown) if x]


def markdown(source: str) -> str:
  """The indented blocks of a module's docstring as blocks of Markdown."""
  text = ast.get_docstring(ast.parse(source)) or ""
  lines = [x for x in text.splitlines()
           if not re.search(r"^ +\(|\(the same", x)]
  blocks = re.findall(r"(?:^  .*\n)+", "\n".join(lines) + "\n", re.MULTILINE)
  return "".join(f"```\n{b}```\n" for b in blocks)


@pytest.mark.parametrize("folder", ["configs", "semseg_jax/cli", "benchmarks"])
def test_commands_of_docstrings_can_be_parsed(folder, tmp_path):
  shown = {}
  for path in sorted((_ROOT / folder).rglob("*.py")):
    (tmp_path / path.name).mkdir(exist_ok=True)
    for words in commands(markdown(path.read_text()), tmp_path / path.name):
      shown[" ".join(words)] = words
  assert len(shown) > 5
  assert not [x for x in map(problem, shown.values()) if x]


def test_docstrings_keep_the_backslashes_of_their_commands():
  """What --help and the site print is what is in the file."""
  paths = [*_ROOT.glob("*.py"), *(
      p for folder in ("configs", "semseg_jax", "benchmarks", "examples")
      for p in (_ROOT / folder).rglob("*.py"))]
  assert not [str(p.relative_to(_ROOT)) for p in paths if re.match(
      r'"""(?:(?!""").)*\\', p.read_text(), re.DOTALL)]


def test_blocks_are_expanded_as_a_shell_does(tmp_path):
  text = ("```\nC=a.py\nfor k in 1 2; do\n  semseg-jax train "
          "--config=$C:labels=$k --workdir='x y' &&\n    make demo\ndone\n```\n"
          "Text.\n```text\nsemseg-jax no\n```\n")
  assert commands(text, tmp_path) == [
      ["semseg-jax", "train", "--config=a.py:labels=1", "--workdir=x y"],
      ["make", "demo"],
      ["semseg-jax", "train", "--config=a.py:labels=2", "--workdir=x y"],
      ["make", "demo"]]


@pytest.mark.parametrize(("command", "reason"), [
    ("semseg-jax trian --workdir=a", "no such command"),
    ("semseg-jax label --workdri=a", "no flag --workdri"),
    ("semseg-jax train --config=configs/semantic_gan/toy_faces.py:lables=2",
     "'lables' is unknown"),
    ("semseg-jax train --config=semantic_gan/toy_faces --config.gan.stepz=1",
     "stepz"),
    ("semseg-jax eval --study=colours --workdir=a", "--study=colours"),
    ("make demos", "no target"),
    ("python -m benchmarks.compare --csae=gan", "no flag --csae"),
    ("python -m benchmarks.compared", "no such module"),
])
def test_a_wrong_command_is_seen(command, reason):
  assert reason in problem(command.split())

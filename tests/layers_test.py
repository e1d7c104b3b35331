"""Enforces the table of packages in docs/architecture.md by reading imports."""

import ast
import pathlib
import re

import pytest

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_PACKAGE = "semseg_jax"
# Other projects' libraries that only certain files may import, and the
# packages that must do without.
_ONLY_IN = {
    "orbax": ("semseg_jax/training/checkpoint.py",),
    "clu": ("semseg_jax/training/writers.py",),
    "tensorboardX": ("semseg_jax/training/writers.py",),
    "tensorflow": ("semseg_jax/training/writers.py",),
    "tensorflow_datasets": ("semseg_jax/data/",),
    "grain": ("semseg_jax/data/",),
}
_NEVER_IN = {"jax": ("semseg_jax/data/",), "flax": ("semseg_jax/data/",)}


def read_table(text: str) -> dict[str, set[str] | None]:
  """Package -> what it may import (None: all); "!x" in the set: all but x."""
  table = {}
  for line in text.splitlines():
    cells = [c.strip() for c in line.strip().strip("|").split("|")]
    if len(cells) != 3 or not cells[0].startswith("`"):
      continue
    names = " ".join(re.findall(r"`([^`]*)`", cells[2])).split()
    if cells[2].startswith("nothing"):
      allowed = set()
    elif cells[2].startswith("everything but"):
      allowed = {f"!{n}" for n in names}
    elif cells[2].startswith("everything"):
      allowed = None
    else:
      allowed = set(names)
    for package in re.findall(r"`([^`]*)`", cells[0]):
      table[package.removesuffix("/").removesuffix(".py")] = allowed
  return table


def imported(source: str) -> list[str]:
  """Dotted names of everything a source file imports, also inside functions."""
  names = []
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Import):
      names += [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      if node.level:
        names.append("<relative>")
      else:
        names += [f"{node.module}.{alias.name}" for alias in node.names]
  return names


def violations(path: str, source: str, table) -> list[str]:
  """What the file at `path` (relative to the checkout) imports and must not."""
  parts = path.removesuffix(".py").split("/")
  package = parts[1] if parts[0] == _PACKAGE else parts[0]
  problems = []
  if package != "__init__" and package not in table:
    problems.append(
        f"{path}: package {package!r} is not in docs/architecture.md")
  allowed = table.get(package, set())
  for name in imported(source):
    names = name.split(".")
    if name == "<relative>":
      problems.append(f"{path}: relative import; name the package")
    for library, folders in _ONLY_IN.items():
      if names[0] == library and not path.startswith(folders):
        problems.append(f"{path}: imports {name}, allowed in {folders} only")
    for library, folders in _NEVER_IN.items():
      if names[0] == library and path.startswith(folders):
        problems.append(f"{path}: imports {name}")
    if names[0] != _PACKAGE or len(names) == 1:
      continue
    if names[1] == package:
      # A method (a package) knows itself and what is common, not another one;
      # single-file stages such as the baseline are free to all.
      if package == "methods" and len(names) > 2 and names[2] not in (
          parts[2], "common") and not (
              _ROOT / _PACKAGE / package / f"{names[2]}.py").exists():
        problems.append(f"{path}: imports another method, {name}")
    elif allowed is not None and not (
        names[1] in allowed
        or (any(a.startswith("!") for a in allowed)
            and f"!{names[1]}" not in allowed)):
      problems.append(f"{path}: imports {name}; {package} may import "
                      f"{sorted(allowed) or 'nothing'}")
  return problems


@pytest.fixture(scope="module")
def table():
  return read_table((_ROOT / "docs/architecture.md").read_text())


def test_packages_import_what_the_table_allows(table):
  files = sorted((_ROOT / _PACKAGE).rglob("*.py"))
  files += [_ROOT / n for n in ("train.py", "eval.py") if (_ROOT / n).exists()]
  problems = []
  for file in files:
    path = file.relative_to(_ROOT).as_posix()
    problems += violations(path, file.read_text(), table)
  assert not problems, "\n".join(problems)


def test_table_is_read(table):
  assert table["ops"] == {"cpu"}
  assert "ops" in table["models"]
  assert table["train"] is None
  assert table["experiment"] == {"!cli"}


@pytest.mark.parametrize(("path", "source"), [
    ("semseg_jax/ops/a.py", "from semseg_jax.models import stylegan2"),
    ("semseg_jax/ops/a.py", "def f():\n  import semseg_jax.data.sources"),
    ("semseg_jax/ops/a.py", "from . import b"),
    ("semseg_jax/ops/a.py", "from orbax import checkpoint"),
    ("semseg_jax/data/a.py", "import jax.numpy as jnp"),
    ("semseg_jax/training/loop.py", "from semseg_jax import methods"),
    ("semseg_jax/training/loop.py", "import tensorboardX"),
    ("semseg_jax/methods/a/b.py", "from semseg_jax.methods.c import d"),
    ("semseg_jax/methods/common/b.py", "from semseg_jax.methods import c"),
    ("semseg_jax/experiment.py", "from semseg_jax.cli import demo"),
    ("semseg_jax/attic/a.py", ""),
])
def test_violations_are_reported(table, path, source):
  assert violations(path, source, table)


@pytest.mark.parametrize(("path", "source"), [
    ("semseg_jax/models/a.py", "from semseg_jax.ops import conv\nimport jax"),
    ("semseg_jax/methods/a/b.py", "from semseg_jax.methods.a import c"),
    ("semseg_jax/methods/a/b.py", "from semseg_jax.methods.common import c"),
    ("semseg_jax/training/checkpoint.py", "import orbax.checkpoint as ocp"),
    ("semseg_jax/cli/demo.py", "from semseg_jax import experiment"),
    ("train.py", "from semseg_jax import experiment"),
])
def test_allowed_imports_pass(table, path, source):
  assert not violations(path, source, table)

"""Names that a module takes from another one of the project are there."""

import ast
import importlib
import pathlib

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_FILES = sorted(
    path.relative_to(_ROOT)
    for folder in ("semseg_jax", "configs", "benchmarks")
    for path in (_ROOT / folder).rglob("*.py"))


def _modules(tree):
  """{alias: module} of the project's modules that a file imports."""
  imported = {}
  for node in ast.walk(tree):
    if isinstance(node, ast.ImportFrom) and node.level == 0 and (
        node.module.split(".")[0] in ("semseg_jax", "configs")):
      for name in node.names:
        imported[name.asname or name.name] = f"{node.module}.{name.name}"
  return imported


def _bound(tree):
  """Names that a file binds otherwise, so that they may be no module."""
  return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)
          and isinstance(node.ctx, ast.Store)} | {
              node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}


@pytest.mark.parametrize("file", _FILES, ids=str)
def test_names_of_other_modules_are_there(file):
  tree = ast.parse((_ROOT / file).read_text())
  modules = _modules(tree)
  for name in _bound(tree):
    modules.pop(name, None)
  for node in ast.walk(tree):
    match node:
      case ast.Attribute(value=ast.Name(id=name)) if name in modules:
        try:
          module = importlib.import_module(modules[name])
        except ModuleNotFoundError:
          continue  # a function or class, or an extra that is not installed
        assert hasattr(module, node.attr), (
            f"{file}:{node.lineno}: {modules[name]} has no {node.attr}")

"""Runs every golden case below --golden-dir against the product's own code.

A case is known by the prefix of its folder name; the CHECKS of the modules
check_*.py say which function compares it. An unknown prefix fails.
"""

import importlib.util
import pathlib
import sys

import jax
import pytest

_HERE = pathlib.Path(__file__).resolve().parent


def _load(name):
  """A sibling module, importable whatever pytest's import mode."""
  if name not in sys.modules:
    spec = importlib.util.spec_from_file_location(name, _HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
  return sys.modules[name]


cases = _load("cases")
# Prefix of the case's folder name -> function(case), collected from every
# check_*.py beside this file.
CHECKS = {}
for _path in sorted(_HERE.glob("check_*.py")):
  CHECKS |= _load(_path.stem).CHECKS


def _checker(case_name):
  matches = [p for p in CHECKS if case_name.startswith(p)]
  if not matches:
    raise AssertionError(
        f"golden case {case_name!r} is of no known kind: {sorted(CHECKS)}")
  return CHECKS[max(matches, key=len)]


def pytest_generate_tests(metafunc):
  if "folder" in metafunc.fixturenames:
    # The longest first: at the end no worker waits long for the other.
    folders = sorted(
        cases.find(metafunc.config.getoption("--golden-dir")),
        key=lambda folder: not folder.name.endswith("train_steps"))
    metafunc.parametrize("folder", folders, ids=[f.name for f in folders])


def test_golden(folder):
  case = cases.load(folder)
  check = _checker(case.name)
  with jax.default_matmul_precision("highest"):
    check(case)
  case.check_complete()


def test_default_cases_exist(pytestconfig):
  assert cases.find(pytestconfig.getoption("--golden-dir"))


@pytest.mark.parametrize("name", ["unheard_of", ""])
def test_unknown_kind_fails(name):
  with pytest.raises(AssertionError, match="no known kind"):
    _checker(name)

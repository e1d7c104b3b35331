"""The toy stage, loaded by path: tests are no package."""

import importlib.util
import pathlib
import sys

import pytest

TOY = pathlib.Path(__file__).resolve().parent / "toy.py"


@pytest.fixture(scope="session")
def toy():
  spec = importlib.util.spec_from_file_location("toy", TOY)
  module = importlib.util.module_from_spec(spec)
  sys.modules["toy"] = module
  spec.loader.exec_module(module)
  return module


@pytest.fixture(scope="session")
def toy_path():
  return TOY

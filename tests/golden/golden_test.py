"""Runs every golden case below --golden-dir against the product's own code.

A case is known by the prefix of its folder name; CHECKS says which function
compares it. An unknown prefix fails.
"""

import importlib.util
import pathlib
import sys

import jax
import pytest

_HERE = pathlib.Path(__file__).resolve().parent

# Prefix of the case's folder name -> module in this folder with `check(case)`
# or "module:function".
CHECKS = {
    "upfirdn2d": "check_ops:upfirdn2d",
    "modconv": "check_ops:modconv",
    "losses_gan": "check_ops:losses_gan",
    "losses_seg": "check_segmentation:losses_seg",
    "gen": "check_stylegan2:generator",
    "dr": "check_stylegan2:image_discriminator",
    "dm": "check_stylegan2:patch_discriminator",
    "fpnenc": "check_encoders:fpn_encoder",
    "resenc": "check_encoders:residual_encoder",
    "lpips": "check_encoders:lpips",
    "ranger": "check_optimizers:ranger",
    "invert": "check_inversion:invert",
    "train_steps": "check_training:gan_steps",
    "enc_train_steps": "check_training:encoder_steps",
}


def _load(name):
  """A sibling module, importable whatever pytest's import mode."""
  if name not in sys.modules:
    spec = importlib.util.spec_from_file_location(name, _HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
  return sys.modules[name]


cases = _load("cases")


def _checker(case_name):
  matches = [p for p in CHECKS if case_name.startswith(p)]
  if not matches:
    raise AssertionError(
        f"golden case {case_name!r} is of no known kind: {sorted(CHECKS)}")
  module, function = CHECKS[max(matches, key=len)].split(":")
  return getattr(_load(module), function)


def pytest_generate_tests(metafunc):
  if "folder" in metafunc.fixturenames:
    folders = cases.find(metafunc.config.getoption("--golden-dir"))
    metafunc.parametrize("folder", folders, ids=[f.name for f in folders])


def test_golden(folder):
  case = cases.Case(folder)
  check = _checker(case.name)
  with jax.default_matmul_precision("highest"):
    check(case)
  case.check_complete()


def test_default_cases_are_found(pytestconfig):
  assert cases.find(pytestconfig.getoption("--golden-dir"))


@pytest.mark.parametrize("name", ["unheard_of", ""])
def test_unknown_kind_fails(name):
  with pytest.raises(AssertionError, match="no known kind"):
    _checker(name)

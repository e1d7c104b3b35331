"""Options and set-up shared by every test."""

import contextlib
import os
import pathlib
import resource

import pytest

from semseg_jax.cpu import startup

# One compile cache for all workers and the commands that tests start, of small
# programs, too; tests never need an accelerator.
_ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_ROOT / ".cache/jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

startup.rarely_collect()


def pytest_addoption(parser):
  parser.addoption(
      "--golden-dir",
      default=str(_ROOT / "tests/golden/data"),
      help="Folder of golden case folders (each with a manifest.json).")
  parser.addoption(
      "--all", action="store_true", help="Run the slow tests too.")
  parser.addoption(
      "--data-packs", help="Folder of the real data packs (docs/data.md).")
  parser.addoption(
      "--published", help="JSON of published numbers, collected by hand.")


@pytest.fixture
def no_room():
  """A context in which files end after ten bytes, as they do on a full disk."""

  @contextlib.contextmanager
  def limited():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
      yield
    finally:
      resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

  return limited


# Marker -> the option without which its tests are skipped.
_NEEDS = {"slow": "--all", "data_packs": "--data-packs",
          "published": "--published"}


def pytest_collection_modifyitems(config, items):
  for marker, option in _NEEDS.items():
    if config.getoption(option):
      continue
    skip = pytest.mark.skip(reason=f"{marker}: run with {option}")
    for item in items:
      if marker in item.keywords:
        item.add_marker(skip)

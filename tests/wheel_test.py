"""The installed distribution, used outside the checkout."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.methods import untrained

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
  """Environment of a process that sees the installed package alone."""
  target = tmp_path_factory.mktemp("site")
  subprocess.run(
      (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
       "--disable-pip-version-check", "--target", str(target), str(ROOT)),
      check=True, capture_output=True, text=True, timeout=300)
  return os.environ | {"PYTHONPATH": str(target)}, target


def run(installed, folder, *command):
  return subprocess.run(
      (sys.executable, *command), cwd=folder, env=installed[0], text=True,
      capture_output=True, timeout=600)


def test_example_runs_from_an_empty_directory(
    installed, tmp_path, tmp_path_factory):
  """Loads, segments five images by three methods, samples, exports."""
  trained = tmp_path_factory.mktemp("run")
  untrained.save(untrained.semantic_gan("supervised", "gan", "encoder"),
                 trained)
  where = run(installed, tmp_path, "-c", "import semseg_jax, sys\n"
              "print(semseg_jax.__file__, 'jax' in sys.modules)")
  assert where.stdout.startswith(str(installed[1]))
  assert where.stdout.endswith("False\n")  # cheap until it is used
  done = run(installed, tmp_path, ROOT / "examples/segment_images.py",
             trained)
  assert done.returncode == 0, done.stderr[-3000:]
  assert ("export: same labels by supervised, encoder, inversion"
          in done.stdout)
  assert "samples (4, 16, 16, 3) (4, 16, 16)" in done.stdout


def test_the_shipped_model_is_installed(installed, tmp_path):
  done = run(installed, tmp_path, "-c", "import semseg_jax\n"
             "print(list(semseg_jax.load('toy_faces').methods))")
  methods = "['encoder', 'inversion', 'distilled', 'inversion+distilled']\n"
  assert done.stdout == methods, done.stderr


def test_command_finds_its_configs_anywhere(installed, tmp_path):
  done = run(installed, tmp_path, "-m", "semseg_jax", "train",
             "--config=semantic_gan/toy_faces:labels=20,smoke",
             "--config.stages=('supervised',)", "--workdir=run")
  assert done.returncode == 0, done.stderr[-3000:]
  assert (tmp_path / "run/supervised/DONE").exists()
  assert (tmp_path / "run/config.json").exists()

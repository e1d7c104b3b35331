"""The installed distribution, used outside the checkout."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import semseg_jax
from tests.methods import smoke

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCRIPT = """
import numpy as np, sys
import semseg_jax
assert "jax" not in sys.modules  # cheap until it is used
model = semseg_jax.load("model.safetensors")
images = list(np.load("images.npz").values())
np.savez("labels.npz", *(
    label for method in ("supervised", "encoder", "inversion")
    for label in model.segment(images, method).labels))
samples = model.sample(3, seed=1, truncation=0.7)
assert samples.images.shape[0] == len(samples.labels) == 3
print(semseg_jax.__file__)
"""


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


def test_library_labels_as_in_the_checkout(
    installed, tmp_path, tmp_path_factory):
  model = semseg_jax.load(smoke.demo(tmp_path_factory)[0])
  model.export(tmp_path / "model.safetensors")
  rng = np.random.default_rng(0)
  images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            for size in ((33, 47), (32, 32), (61, 20), (16, 90), (40, 41))]
  np.savez(tmp_path / "images.npz", *images)
  done = run(installed, tmp_path, "-c", SCRIPT)
  assert done.returncode == 0, done.stderr[-3000:]
  assert str(installed[1]) in done.stdout
  labels = [label for method in ("supervised", "encoder", "inversion")
            for label in model.segment(images, method).labels]
  stored = np.load(tmp_path / "labels.npz")
  assert len(stored.files) == len(labels) == 15
  for i, label in enumerate(labels):
    # Another process sums in another order: a pixel may differ.
    assert (stored[f"arr_{i}"] != label).mean() < 0.01


def test_command_finds_its_configs_anywhere(installed, tmp_path):
  done = run(installed, tmp_path, "-m", "semseg_jax", "train",
             "--config=semantic_gan/toy_faces:labels=20,smoke",
             "--config.stages=('supervised',)", "--workdir=run")
  assert done.returncode == 0, done.stderr[-3000:]
  assert (tmp_path / "run/supervised/DONE").exists()
  assert (tmp_path / "run/config.json").exists()

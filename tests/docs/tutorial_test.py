"""The first tutorial, done literally with a folder of 20 images.

Its commands are taken from the page, so that the page cannot go stale.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_PAGE = _ROOT / "docs/own_images.md"
# The console script, of this checkout.
_COMMAND = 'semseg-jax() { python -m semseg_jax "$@"; }'


def blocks(page: str, number: int) -> list[str]:
  """Commands in the section "## NUMBER. ..." of the page."""
  section = re.search(
      rf"^## {number}\. .*?(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)[0]
  return re.findall(r"^```\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


def write_set(folder, classes_json: str):
  """20 images of several sizes with a bright disc, 14 with masks."""
  for name in ("images", "masks", "splits"):
    (folder / name).mkdir(parents=True)
  rng = np.random.default_rng(0)
  for i in range(20):
    h, w = rng.integers(30, 50, 2)
    y, x = np.mgrid[:h, :w]
    mask = np.hypot(y - h / 2, x - w / 2) < rng.integers(6, 14)
    image = rng.integers(0, 90, (h, w, 3)) + 160 * mask[..., None]
    Image.fromarray(image.astype(np.uint8)).save(folder / f"images/{i}.png")
    if i < 14:
      Image.fromarray(mask.astype(np.uint8)).save(folder / f"masks/{i}.png")
  splits = {"train_labeled": range(6), "val": range(6, 10),
            "test": range(10, 14), "unlabeled": range(14, 20)}
  for name, ids in splits.items():
    (folder / f"splits/{name}.txt").write_text(
        "".join(f"{i}\n" for i in ids))
  (folder / "classes.json").write_text(classes_json)


def run(commands: str, cwd, variables=""):
  """Runs shell commands with this Python; returns what they printed."""
  environment = {
      **os.environ,
      "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}
  process = subprocess.run(
      ["bash", "-euc", f"{_COMMAND}\n{variables}\n{commands}"], cwd=cwd,
      text=True, env=environment, capture_output=True, check=False)
  assert process.returncode == 0, process.stderr[-3000:]
  return process.stdout


@pytest.fixture
def checkout(tmp_path):
  for name in ("configs", "semseg_jax", "train.py", "eval.py"):
    (tmp_path / name).symlink_to(_ROOT / name)
  page = _PAGE.read_text()
  write_set(tmp_path / "my_set", re.search(r"```json\n(.*?)```", page,
                                           re.DOTALL)[1])
  return tmp_path


def test_the_folder_of_the_page_is_accepted(checkout):
  (check,) = blocks(_PAGE.read_text(), 2)
  printed = run(check, checkout)
  assert "2 classes (background, leaf)" in printed
  assert re.search(r"^unlabeled +6\b", printed, re.MULTILINE)


def test_every_block_of_the_page_names_what_exists():
  page = _PAGE.read_text()
  commands = "\n".join(b for i in range(2, 8) for b in blocks(page, i))
  for name in re.findall(r"^semseg-jax (\w+)", commands, re.MULTILINE):
    assert (_ROOT / f"semseg_jax/cli/{name}.py").exists()
  for path, arguments in re.findall(r"=(configs/\S+\.py):(\S+)", commands):
    assert (_ROOT / path).exists()
    assert arguments.split(",")[0].startswith("size=")


@pytest.mark.slow
def test_the_page_leads_to_labeled_images(checkout):
  page = _PAGE.read_text()
  (trial,) = blocks(page, 3)
  printed = run(trial, checkout)
  for method in ("supervised", "inversion", "distilled"):
    assert method in printed
  report = (checkout / "runs/try/report.html").read_text()
  assert "leaf" in report
  # Section 4 trains for an hour: its run is that of section 3 here.
  shutil.copytree(checkout / "runs/try", checkout / "runs/mine")
  (checkout / "new_images").mkdir()
  Image.fromarray(np.zeros((33, 47, 3), np.uint8)).save(
      checkout / "new_images/a.png")
  run("\n".join(blocks(page, 6) + blocks(page, 7)), checkout)
  for out in ("new_labels", "labels_of_the_file"):
    mask = np.asarray(Image.open(checkout / out / "a_index.png"))
    assert mask.shape == (33, 47)
    told = checkout / out / "labels-00000-of-00001.json"
    assert "a" in json.loads(told.read_text())["confidence"]
  # The README's lines of Python, on the same run.
  (lines,) = re.findall(
      r"^```python\n(.*?)^```", (_ROOT / "README.md").read_text(),
      re.DOTALL | re.MULTILINE)
  run("python - <<'END'\nimport numpy as np\n"
      "images = [np.zeros((40, 50, 3), np.uint8)]\n"
      f"{lines}\nassert result.labels[0].shape == (40, 50)\nEND", checkout)
  assert (checkout / "model.safetensors").exists()


def test_the_readme_shows_the_commands_of_the_page():
  readme = (_ROOT / "README.md").read_text()
  (shown,) = [b for b in re.findall(
      r"^```\n(.*?)^```", readme, re.DOTALL | re.MULTILINE) if "prepare" in b]
  words = " ".join(shown.replace("\\\n", " ").split())
  for number in (2, 4, 6):
    for line in " ".join(
        blocks(_PAGE.read_text(), number)).replace("\\\n", " ").splitlines():
      assert " ".join(line.split()) in words, line

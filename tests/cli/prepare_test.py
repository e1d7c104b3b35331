"""The prepare command, as a user runs it."""

import errno
import json
import re
import shutil
import subprocess
import sys
import types

import numpy as np
from PIL import Image
import pytest

from semseg_jax.cli import prepare


def _made(folder):
  folder.mkdir(parents=True)
  return folder


def _run(*arguments):
  return subprocess.run(
      [sys.executable, "-m", "semseg_jax", "prepare", *arguments],
      capture_output=True, text=True, check=False)


def test_prepare(tmp_path):
  root = tmp_path / "set"
  for folder in ("images", "masks", "splits"):
    (root / folder).mkdir(parents=True)
  Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / "images/a.png")
  Image.fromarray(np.ones((8, 8), np.uint8)).save(root / "masks/a.png")
  (root / "splits/train.txt").write_text("a\n")
  (root / "classes.json").write_text(json.dumps(
      {"classes": ["x", "y"], "colours": [[0, 0, 0], [1, 1, 1]]}))
  arguments = ("--name=folder", f"--data_dir={root}",
               f"--cache_dir={tmp_path / 'cache'}")
  done = _run(*arguments)
  assert done.returncode == 0, done.stderr
  assert re.search(r"train +1 +8 x 8 +0.0 +100.0 +0.0", done.stdout)
  assert "warning: class 'x' never occurs" in done.stdout
  spoiled = tmp_path / "spoiled"
  shutil.copytree(root / "images", spoiled / "images")
  Image.fromarray(np.ones((4, 4), np.uint8)).save(
      _made(spoiled / "masks") / "a.png")
  failed = _run(f"--data_dir={spoiled}", "--split=1,0,0", arguments[2])
  assert "mask is 4 x 4" in failed.stderr
  # Nothing that would refuse the folder once it is mended.
  assert not list(spoiled.rglob("*.txt")) + list(spoiled.rglob("*.json"))
  other = _run("chest_xray", *arguments[1:])
  assert other.returncode == 1
  assert f"semseg-jax prepare --data_dir={root}" in other.stderr
  done = _run("folder", f"--manual_dir={root}", f"--cache_dir={tmp_path}")
  assert done.returncode == 0, done.stderr
  (root / "masks/a.png").unlink()
  failed = _run(*arguments)
  assert failed.returncode == 1
  assert "error: " in failed.stderr
  assert "Traceback" not in failed.stderr
  assert "error: --data_dir: there is no folder" in _run(
      "--data_dir=/nowhere").stderr
  unnamed = _run()
  assert unnamed.returncode
  assert "celebamask_hq, " in unnamed.stdout + unnamed.stderr


def _prepared(root, monkeypatch, **given):
  monkeypatch.setattr(prepare.console, "setup", lambda: None)
  monkeypatch.setattr(prepare.flags, "FLAGS", types.SimpleNamespace(**{
      "name": None, "data_dir": str(root), "size": None, "max_unreadable": 0,
      "cache_dir": str(root.parent / "cache"), "split": [], "classes": [],
      "seed": None} | given))
  prepare.main([""])


@pytest.mark.parametrize(("missing", "flag"), [
    (["test"], "--config.data.in_domain=val"),
    (["val"], "--config.data.validation=test"), (["test", "val"], "")])
def test_sets_without_a_split_that_is_scored(
    tmp_path, monkeypatch, capsys, missing, flag):
  root = tmp_path / "set"
  for i, split in enumerate(("train", "val", "test")):
    for folder, value in (("images", 9 + i), ("masks", 1)):
      Image.fromarray(np.full((8, 8), value, np.uint8)).save(
          (_made(root / folder) if not i else root / folder) / f"{i}.png")
    if split not in missing:
      (root / "splits").mkdir(exist_ok=True)
      (root / f"splits/{split}.txt").write_text(f"{i}\n")
  _prepared(root, monkeypatch)
  said = capsys.readouterr().out
  assert f"warning: no list{'s' * (not flag)} {'val' * (not flag)}" in said
  command = said.partition("\nnext")[2]
  assert bool(command) == bool(flag)
  assert flag in command


def test_turned_images_are_said_once(tmp_path):
  exif = Image.Exif()
  exif[0x112] = 6
  Image.new("RGB", (8, 8)).save(_made(tmp_path / "set") / "a.jpg", exif=exif)
  done = _run(f"--data_dir={tmp_path / 'set'}", f"--cache_dir={tmp_path}")
  assert (done.stdout + done.stderr).count("EXIF orientation") == 1


def test_flags_that_do_not_fit(tmp_path, monkeypatch):
  Image.new("RGB", (8, 8)).save(_made(tmp_path / "set") / "a.jpg")
  with pytest.raises(SystemExit, match="--seed is that of --split"):
    _prepared(tmp_path / "set", monkeypatch, seed=3)
  with pytest.raises(SystemExit, match=r"is a folder.*--data_dir=.*/set$"):
    _prepared(tmp_path, monkeypatch, data_dir=None, name=f"{tmp_path}/set")


def test_what_was_written_goes_whatever_fails(tmp_path, monkeypatch):
  for folder, value in (("images", 0), ("masks", 1)):
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(
        _made(tmp_path / folder) / "a.png")

  def interrupted(*_, **__):
    assert list(tmp_path.rglob("splits/*.txt"))
    raise KeyboardInterrupt

  monkeypatch.setattr(prepare.datasets, "load", interrupted)
  monkeypatch.setattr(prepare.console, "setup", lambda: None)
  monkeypatch.setattr(prepare.flags, "FLAGS", types.SimpleNamespace(
      name=None, data_dir=str(tmp_path), cache_dir=None, size=None,
      max_unreadable=0, split=["1", "0", "0"], classes=[], seed=0))
  with pytest.raises(KeyboardInterrupt):
    prepare.main([""])
  assert sorted(p.name for p in tmp_path.iterdir()) == ["images", "masks"]


def _latin_names(root):
  (root / "classes.txt").write_bytes("Hintergrund\nTür\n".encode("latin-1"))
  return "classes.txt: not a UTF-8 text file"


def _latin_list(root):
  (root / "splits").mkdir()
  (root / "splits/val.txt").write_bytes("ü\n".encode("latin-1"))
  return "val.txt: not a UTF-8 text file"


def _folder_of_volumes(root):
  (root / "volumes.json").mkdir()
  return "volumes.json: cannot be read"


def _no_room(*_, **__):
  raise OSError(errno.ENOSPC, "No space left on device", "cache/x")


@pytest.mark.parametrize("spoil", [
    _latin_names, _latin_list, _folder_of_volumes])
def test_what_a_user_can_mend_is_one_line(tmp_path, monkeypatch, spoil):
  root = tmp_path / "set"
  for folder in ("images", "masks"):
    _made(root / folder)
    for i in range(4):
      Image.fromarray(np.full((8, 8), i % 2, np.uint8)).save(
          root / folder / f"{i}.png")
  with pytest.raises(SystemExit, match=f"^error: .*{spoil(root)}"):
    _prepared(root, monkeypatch, split=["0.5", "0.25", "0.25"])


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
  Image.new("RGB", (8, 8)).save(_made(tmp_path / "set") / "a.jpg")
  monkeypatch.setattr(prepare.datasets, "load", _no_room)
  with pytest.raises(SystemExit, match="^error: .*No space left .*cache/x"):
    _prepared(tmp_path / "set", monkeypatch)

"""What a command prints, and what only with --verbosity=1."""

import io
import logging as python_logging
import pathlib
import subprocess
import sys

import pytest

from semseg_jax.training import console

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_SPEAKER = """
import logging, sys, warnings
from absl import app, flags
from absl import logging as absl_logging
from semseg_jax.training import console

def say(path, level, text):
  record = logging.LogRecord(
      "x", level, path, 1, text, (), None)
  logging.getLogger().handle(record)

def main(argv):
  console.setup()
  ours = console.__file__
  say(ours, logging.DEBUG, "ours-debug")
  say(ours, logging.INFO, "ours-info")
  say(ours, logging.WARNING, "ours-warning")
  say("/x/jax/_src/xla_bridge.py", logging.INFO, "no-tpu")
  say("/x/jax/_src/xla_bridge.py", logging.WARNING, "jax-warning")
  say("/x/orbax/checkpoint/manager.py", logging.WARNING, "orbax-warning")
  say("/x/orbax/checkpoint/manager.py", logging.ERROR, "orbax-error")
  warnings.warn_explicit(
      "orbax-warns", UserWarning, "a.py", 1, module="orbax.checkpoint.arrays")

app.run(main)
"""


def _said(*arguments):
  process = subprocess.run(
      [sys.executable, "-c", _SPEAKER, *arguments], cwd=_ROOT, text=True,
      capture_output=True, check=True)
  return process.stderr


def test_only_what_a_user_can_act_on_is_printed():
  assert _said().splitlines() == [
      "ours-info", "warning: ours-warning", "warning: jax-warning"]


def test_everything_is_printed_on_request():
  said = _said("--verbosity=1")
  for text in ("ours-debug", "no-tpu", "orbax-warning", "orbax-error",
               "orbax-warns"):
    assert text in said


@pytest.fixture
def clock(monkeypatch):
  now = [100.0]
  monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
  return now


def test_a_file_gets_a_line_now_and_then_and_the_last(capsys, clock):
  progress = console.Progress("gan", 10, 60)
  progress.note("compiling")
  clock[0] += 1000
  progress.restart(10)
  rates = []
  for step in range(20, 61, 10):
    clock[0] += 16
    rates.append(progress.report(step, {"d/loss": 0.25, "d/r1": 3.0}))
  assert rates == [10 / 16] * 5
  assert capsys.readouterr().err.splitlines() == [
      "[gan] step 30/60  0.625 steps/s  ETA 0:00:48  d/loss 0.25",
      "[gan] step 50/60  0.625 steps/s  ETA 0:00:16  d/loss 0.25",
      "[gan] step 60/60  0.625 steps/s  ETA 0:00:00  d/loss 0.25"]


def test_the_time_left_has_hours(capsys, clock):
  progress = console.Progress("gan", 0, 7290)
  clock[0] += 40
  assert progress.report(80, {}) == 2.0
  assert "ETA 1:00:05" in capsys.readouterr().err


def test_no_time_left_is_made_up_before_the_first_step(capsys, clock):
  progress = console.Progress("label", 0, 9)
  clock[0] += 40
  progress.report(0, {})
  assert capsys.readouterr().err == (
      "[label] step 0/9  0 steps/s  ETA unknown\n")


class _Terminal(io.StringIO):

  def isatty(self):
    return True

  def fileno(self):
    return 0


def test_a_terminal_gets_one_line_that_moves(monkeypatch, clock):
  terminal = _Terminal()
  monkeypatch.setattr(console.sys, "stderr", terminal)
  monkeypatch.setattr(console.os, "get_terminal_size",
                      lambda _: console.os.terminal_size((30, 20)))
  progress = console.Progress("gan", 0, 2)
  progress.note("compiling")
  for step in (1, 2):
    clock[0] += 1
    progress.report(step, {"loss": 0.5})
  text = terminal.getvalue()
  assert text.count("\n") == 1
  assert text.endswith("loss 0.5\n")
  start, first, second = text.split("\r\033[K")[1:]
  assert (start, len(first)) == ("[gan] compiling", 29)
  assert second.startswith("[gan] step 2/2")


@pytest.mark.parametrize(("values", "expected"), [
    ({"g/loss": 1, "g/path": 2, "val/miou": 3}, ["g/loss", "val/miou"]),
    ({"accuracy encoder, 25 steps": 1}, ["accuracy encoder, 25 steps"]),
    ({c: 0 for c in "abcdef"}, list("abcd")), ({}, [])])
def test_the_line_has_the_main_values(values, expected):
  assert list(console.main_values(values)) == expected


def test_native_messages_are_silenced_unless_asked_for(monkeypatch):
  monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
  monkeypatch.setattr(sys, "argv", ["train.py", "--verbosity=1"])
  console.quiet_native()
  assert "TF_CPP_MIN_LOG_LEVEL" not in console.os.environ
  monkeypatch.setattr(sys, "argv", ["train.py"])
  monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
  console.quiet_native()
  assert console.os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
  monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
  console.quiet_native()
  assert console.os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"


def test_messages_of_the_package_are_known_by_their_file():
  record = python_logging.LogRecord(
      "x", python_logging.INFO, str(_ROOT / "semseg_jax/experiment.py"), 1,
      "stage", (), None)
  assert console._wanted(record)

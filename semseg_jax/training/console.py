"""What a command prints: a line a stage, one line of progress, warnings.

--verbosity=1 prints everything that the libraries have to say. Imports no JAX.
"""

import logging as python_logging
import os
import pathlib
import sys
import time
import warnings

from absl import flags
from absl import logging

_PACKAGE = str(pathlib.Path(__file__).resolve().parents[1])
# Libraries whose warnings nobody who trains a model can act on.
_SILENT = ("orbax",)
_EVERY = 30.0  # Seconds between lines of progress where lines cannot move.
_SHOWN = 4  # Values in a line of progress.


def quiet_native() -> None:
  """Silences the C++ side of XLA; before JAX is imported.

  It reports slow compilation as an error, and errors that Python raises too.
  A level that the user has set stays, and so it does with --verbosity.
  """
  if not any(a.startswith(("--verbosity", "-v")) for a in sys.argv[1:]):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def setup() -> None:
  """Prints our messages plainly and the libraries' only from warnings on.

  Changes nothing with --verbosity=1.
  """
  if verbose():
    return
  handler = logging.get_absl_handler()
  if not any(f is _wanted for f in handler.filters):
    logging.set_verbosity(logging.INFO)
    handler.addFilter(_wanted)
    handler.setFormatter(_Plain())
  for name in _SILENT:
    warnings.filterwarnings("ignore", module=rf"{name}\.")


def verbose() -> bool:
  """Whether the command line asks for everything."""
  return "verbosity" in flags.FLAGS and flags.FLAGS.is_parsed() and (
      flags.FLAGS.verbosity > 0)


def _wanted(record) -> bool:
  if record.pathname.startswith(_PACKAGE):
    return record.levelno >= python_logging.INFO
  return record.levelno >= python_logging.WARNING and not any(
      f"{os.sep}{name}{os.sep}" in record.pathname for name in _SILENT)


class _Plain(python_logging.Formatter):
  """The message alone; above INFO with its level."""

  def format(self, record):
    text = super().format(record)
    level = record.levelname.lower()
    return text if record.levelno <= python_logging.INFO else f"{level}: {text}"


class Progress:
  """Steps, steps per second and the time left, on stderr.

  On a terminal one line that moves; elsewhere a line at the end, and one every
  half minute.
  """

  def __init__(self, name: str, first_step: int, steps: int):
    self._name, self._steps = name, steps
    self._last = (first_step, time.monotonic())
    self._printed = time.monotonic()
    self._moves = sys.stderr.isatty()

  def note(self, text: str) -> None:
    """Says what happens before the first step; on a terminal only."""
    if self._moves:
      self._print(f"[{self._name}] {text}", ended=False)

  def restart(self, step: int) -> None:
    """Counts from now on: what came before, such as compiling, is no step."""
    self._last = (step, time.monotonic())
    self._printed = time.monotonic()

  def report(self, step: int, values: dict[str, float]) -> float:
    """Shows `step`, if it is time; returns steps/s since the former call."""
    now = time.monotonic()
    rate = (step - self._last[0]) / max(now - self._last[1], 1e-9)
    self._last = (step, now)
    ended = step >= self._steps
    if ended or self._moves or now - self._printed >= _EVERY:
      self._printed = now
      left = round((self._steps - step) / rate) if rate else 0
      eta = (f"ETA {left // 3600}:{left // 60 % 60:02}:{left % 60:02}"
             if rate or ended else "ETA unknown")
      shown = "  ".join(f"{k} {v:.4g}" for k, v in main_values(values).items())
      self._print(
          f"[{self._name}] step {step}/{self._steps}  {rate:.3g} steps/s  "
          f"{eta}  {shown}".rstrip(), ended)
    return rate

  def _print(self, line, ended):
    if self._moves:
      # Back to the start of the line, and clear what is longer than this.
      width = os.get_terminal_size(sys.stderr.fileno()).columns
      line = f"\r\033[K{line if ended else line[:width - 1]}"
    print(line, file=sys.stderr, flush=True,
          end="\n" if ended or not self._moves else "")


def main_values(values: dict[str, float]) -> dict[str, float]:
  """The losses and scores of a step; the first values where there are none."""
  main = {k: v for k, v in values.items()
          if k.rpartition("/")[2].split()[0] in ("loss", "miou", "accuracy")}
  return dict(list((main or values).items())[:_SHOWN])

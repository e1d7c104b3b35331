"""One comparison: processes, agreement, timing in turns."""

import contextlib
import dataclasses
import functools
import multiprocessing
import os
import tempfile

from benchmarks import timing
from benchmarks.compare import agreement
from benchmarks.compare import settings as settings_lib
from benchmarks.compare import worker

DISAGREES = "not timed, its results differ from semseg_jax's"


class Side:
  """A worker's process and its pipe."""

  def __init__(self, s, side, root):
    self.name = side
    self._pipe, end = multiprocessing.get_context("spawn").Pipe()
    # Not a daemon: data loaders have processes of their own.
    self._process = multiprocessing.get_context("spawn").Process(
        target=worker.serve, args=(end, s, side, root))
    self._process.start()
    end.close()

  @functools.cached_property
  def described(self):
    """What the worker says when it is ready; waits for it."""
    try:
      return self._pipe.recv()
    except EOFError:
      self._process.join()
      return {"error": f"the process ended with {self._process.exitcode}"}

  def check(self):
    """Raises RuntimeError, in one line, if the worker cannot run the case."""
    if "error" in self.described:
      raise RuntimeError(self.described["error"])

  def ask(self, command):
    self._pipe.send(command)
    return self._pipe.recv()

  def close(self):
    self._pipe.close()
    self._process.join()


def measure(s: settings_lib.Settings, sides, rounds: int,
            seconds=float("inf"), slack=1.0, compiled="",
            turn=None) -> dict:
  """The record of one comparison.

  Args:
    s: what is compared.
    sides: names of peers.
    rounds: counted runs of each side, at most.
    seconds: what they may take together; 3 rounds are run in any case.
    slack: multiplies the tolerances of agreement.
    compiled: folder of compiled programs; "": one of this run's own, and the
      sides start one after the other so that compilations are timed alone.
    turn: entered while the sides are timed; see `turns`.

  Raises:
    RuntimeError: our side cannot run the case, or no peer can or agrees; the
      message is one line.
  """
  with tempfile.TemporaryDirectory() as root:
    # Empty: the first compilation is cold, the second finds the first.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = os.path.abspath(
        compiled or f"{root}/compiled")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    # Several processes share an accelerator.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    prepared = multiprocessing.get_context("spawn").Process(
        target=worker.prepare, args=(s, root))
    prepared.start()
    prepared.join()
    if prepared.exitcode:
      raise RuntimeError(
          f"case {s.case!r}: weights and inputs could not be made; is PyTorch "
          "here (benchmarks/requirements.txt)?")
    own, notes = Side(s, "ours", root), []
    running = [own]
    try:
      if not compiled:  # Alone, for its compilations are timed.
        own.check()
      running += [Side(s, name, root) for name in sides]
      own.check()
      limits = agreement.tolerances(s.dtype, own.described["device"], slack)
      gap = 0.0
      for side in running[1:]:
        try:
          side.check()
          gap = max(gap, agreement.verify(
              own.described["outputs"], side.described["outputs"], limits))
          continue
        except RuntimeError as error:
          reason = str(error)
        except ValueError as error:
          reason = f"{DISAGREES}: {error}"
        notes.append(f"{side.name}, {s.size} px, batch {s.batch}: {reason}")
        running.remove(side)
        side.close()
      if len(running) == 1:
        raise RuntimeError("; ".join(notes) or "no side to compare with")
      with turn or contextlib.nullcontext():
        once = sum(side.ask("run") for side in running)
        rounds = int(min(rounds, max(3, seconds / once)))
        measured = record(s, running, rounds) | {"gap": gap, "notes": notes}
      if compiled:  # The others were starting at the same time.
        measured["compile"][0] = dict.fromkeys(measured["compile"][0])
      return measured
    finally:
      for side in running:
        side.close()


def record(s, running, rounds) -> dict:
  """Times the sides, which have agreed; semseg_jax is the first."""
  own = running[0]
  for side in running:
    side.ask("reset")
  times = timing.interleave(
      {(side.name, what): lambda side=side, what=what: side.ask(what)
       for side in running for what in ("run", "matmul", "copy")},
      rounds, clock=lambda run: run(), warm=False)  # Agreement took two runs.
  seconds = {side.name: times[side.name, "run"] for side in running}
  peaks = {side.name: {what: times[side.name, what].median
                       for what in ("matmul", "copy")} for side in running}
  d, median = own.described, seconds["ours"].median
  rate = lambda x: x / median if x else None
  share = lambda x, peak: x and x / peaks["ours"][peak]
  return {
      "settings": dataclasses.asdict(s), "work": s.work(),
      "device": d["device"], "flags": d["flags"],
      "versions": [side.described["version"] for side in running],
      "seconds": {k: t._asdict() for k, t in seconds.items()},
      "peaks": peaks, "flops": d["cost"]["flops"], "bytes": d["cost"]["bytes"],
      "of_matmul": share(rate(d["cost"]["flops"]), "matmul"),
      "of_copy": share(rate(d["cost"]["bytes"]), "copy"),
      "compile": d["compile"],
      "first": {side.name: side.described["first"] for side in running[1:]},
      "memory": {side.name: side.ask("memory") for side in running},
      "profile": own.ask("profile")}

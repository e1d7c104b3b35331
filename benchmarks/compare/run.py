"""One comparison: processes, agreement, timing in turns."""

import dataclasses
import multiprocessing
import os
import tempfile

from benchmarks import timing
from benchmarks.compare import agreement
from benchmarks.compare import settings as settings_lib
from benchmarks.compare import worker

DISAGREES = "not timed, its results are not ours"


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
    try:
      self.described = self._pipe.recv()
    except EOFError:
      self._process.join()
      self.described = {
          "error": f"the process ended with {self._process.exitcode}"}

  def ask(self, command):
    self._pipe.send(command)
    return self._pipe.recv()

  def close(self):
    self._pipe.close()
    self._process.join()


def measure(s: settings_lib.Settings, sides, rounds: int, slack=1.0) -> dict:
  """The record of one comparison.

  Args:
    s: what is compared.
    sides: names of peers.
    rounds: counted runs of each side.
    slack: multiplies the tolerances of agreement.

  Raises:
    RuntimeError: our side cannot run the case, or no peer can or agrees; the
      message is one line.
  """
  with tempfile.TemporaryDirectory() as root:
    # Empty: the first compilation is cold, the second finds the first.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = f"{root}/compiled"
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
    running, notes = [], []
    try:
      ours = Side(s, "ours", root)
      running.append(ours)
      if "error" in ours.described:
        raise RuntimeError(ours.described["error"])
      limits = agreement.tolerances(s.dtype, ours.described["device"], slack)
      gap = 0.0
      for name in sides:
        side = Side(s, name, root)
        running.append(side)
        if "error" in side.described:
          notes.append(f"{name}, {s.size} px, batch {s.batch}: "
                       f"{side.described['error']}")
          running.remove(side)
          side.close()
          continue
        try:
          gap = max(gap, agreement.verify(
              ours.described["outputs"], side.described["outputs"], limits))
        except ValueError as error:
          notes.append(f"{name}, {s.size} px, batch {s.batch}: {DISAGREES}: "
                       f"{error}")
          running.remove(side)
          side.close()
      if len(running) == 1:
        raise RuntimeError("; ".join(notes) or "no side to compare with")
      return record(s, running, rounds) | {"gap": gap, "notes": notes}
    finally:
      for side in running:
        side.close()


def record(s, running, rounds) -> dict:
  """Times the sides, which have agreed; ours is the first."""
  ours = running[0]
  for side in running:
    side.ask("reset")
  times = timing.interleave(
      {(side.name, what): lambda side=side, what=what: side.ask(what)
       for side in running for what in ("run", "matmul", "copy")},
      rounds, clock=lambda run: run())
  seconds = {side.name: times[side.name, "run"] for side in running}
  peaks = {side.name: {what: times[side.name, what].median
                       for what in ("matmul", "copy")} for side in running}
  d, median = ours.described, seconds["ours"].median
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
      "memory": {side.name: side.ask("memory") for side in running}}

"""Runs rows as processes within a deadline; what they print is kept at once."""

from concurrent import futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

from benchmarks.accelerator import report

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Between asking a process to end and ending it; a training saves meanwhile.
_GRACE = 20.0


class Runner:
  """Runs parts and writes results.jsonl, results.md and log.txt.

  Attributes:
    measured: lines of results so far.
  """

  def __init__(self, out: pathlib.Path, seconds: float):
    self.measured = 0
    self._out, self._deadline = out, time.monotonic() + seconds
    self._lock, self._records = threading.Lock(), []
    out.mkdir(parents=True, exist_ok=True)
    for name in ("results.jsonl", "log.txt"):
      (out / name).unlink(missing_ok=True)

  def left(self) -> float:
    """Seconds until everything has to be at an end."""
    return self._deadline - time.monotonic()

  def part(self, name: str, part, rows, share: float):
    """Runs a part's rows in what is its share of the time that is left."""
    end = time.monotonic() + share * self.left()
    rows = list(rows)

    if part.in_turns:
      for first in range(0, len(rows), part.together):
        self._group(name, rows[first:first + part.together], end)
      return

    def run(i):
      rest = end - time.monotonic()
      # What later rows leave is not known: each gets its even share, and what
      # earlier ones did not need.
      waiting = max(1, -(-(len(rows) - i) // part.together))
      self._row(name, rows[i], min(rows[i].limit, rest / waiting
                                   if part.even else rest))

    with futures.ThreadPoolExecutor(part.together) as pool:
      list(pool.map(run, range(len(rows))))

  def _group(self, name, rows, end):
    """Rows that get ready together and are timed one after the other."""
    with tempfile.TemporaryDirectory() as folder:
      turns = f"--turns={len(rows)}:{folder}"
      # JAX asks for twice as much again and again, up to its share.
      share = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / len(rows):.3f}"}
      rows = [r._replace(argv=(*r.argv, turns),
                         environment=share | r.environment) for r in rows]
      with futures.ThreadPoolExecutor(len(rows)) as pool:
        list(pool.map(lambda r: self._row(
            name, r, min(r.limit, end - time.monotonic())), rows))

  def _row(self, part, row, limit):
    add = lambda **fields: self._add({"part": part, "row": row.name} | fields)
    if limit < min(row.least, row.limit):
      add(error=f"left out: {max(limit, 0):.0f} s were left of its time")
      return
    started, lines = time.monotonic(), 0
    environment = {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "PYTHONUNBUFFERED": "1",
        "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".cache/accelerator"),
        **os.environ, **row.environment}
    with (self._out / "log.txt").open("a") as log:
      log.write(f"## {part} {row.name}: {' '.join(row.argv)}\n")
      log.flush()
      process = subprocess.Popen(
          (sys.executable, *row.argv), cwd=ROOT, env=environment, text=True,
          stdout=subprocess.PIPE, stderr=log, start_new_session=True)
      timer = threading.Timer(limit, _end, (process,))
      timer.start()
      try:
        for line in process.stdout:
          if line.startswith("{"):
            add(**json.loads(line))
            lines += 1
          else:
            log.write(line)
            log.flush()
        code = process.wait()
      finally:
        timer.cancel()
        _signal(process, signal.SIGKILL)  # What it may have left behind.
    seconds = round(time.monotonic() - started, 1)
    if code and not (row.may_be_cut and seconds >= limit):
      why = (f"cut after {seconds:.0f} s" if seconds >= limit
             else f"ended with {code}: {_last_line(self._out / 'log.txt')}")
      add(error=why, seconds=seconds)
    elif not lines:
      add(seconds=seconds)

  def _add(self, record):
    with self._lock:
      self._records.append(record)
      self.measured += "error" not in record
      with (self._out / "results.jsonl").open("a") as f:
        f.write(json.dumps(record) + "\n")
      (self._out / "results.md").write_text(report.markdown(self._records))
      print(json.dumps(record), flush=True)


def _end(process):
  """SIGTERM to the process and all it started, then SIGKILL."""
  _signal(process, signal.SIGTERM)
  try:
    process.wait(_GRACE)
  except subprocess.TimeoutExpired:
    pass
  _signal(process, signal.SIGKILL)


def _signal(process, number):
  try:
    os.killpg(process.pid, number)
  except ProcessLookupError:
    pass


def _last_line(path) -> str:
  lines = path.read_text(errors="replace").strip().splitlines() or [""]
  errors = [x for x in lines[-40:] if "rror" in x]
  return (errors or lines)[-1][-300:]

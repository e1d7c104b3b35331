r"""One case, ours against PyTorch's, side by side.

  python -m benchmarks.compare --case=generator --size=64 --batch=4
  python -m benchmarks.compare --case=inversion --size=64 --batch=1,8 --steps=10

Cases: generator, gan, gan_regularised, encoder, inversion, deeplab,
deeplab_gradient, s4gan, hypercolumn, input. Each side runs in a process of its
own, ours with XLA's settings of train.py; they get the same weights and inputs,
have to agree, and then run in turns. Lists of sizes and batches are measured
one after the other. Rows go to benchmarks/results/<kind of machine>.md.
"""

import dataclasses
import multiprocessing
import os
import pathlib
import shlex
import sys
import tempfile

from absl import app
from absl import flags

from benchmarks import timing
from benchmarks.compare import agreement
from benchmarks.compare import report
from benchmarks.compare import settings as settings_lib
from benchmarks.compare import worker

_CASE = flags.DEFINE_enum("case", None, settings_lib.CASES, "What to compare.")
_SIZES = flags.DEFINE_list("size", ["64"], "Sides of the pictures.")
_BATCHES = flags.DEFINE_list("batch", ["4"], "Pictures of each stream.")
_SIDES = flags.DEFINE_list(
    "sides", list(settings_lib.SIDES), "Who is measured; ours always is.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Counted runs of each side.")
_OUT = flags.DEFINE_string(
    "out", str(pathlib.Path(__file__).parents[1] / "results"),
    "Folder of the results; empty: the table is printed only.")
_DTYPE = flags.DEFINE_enum(
    "dtype", "float32", ["float32", "bfloat16"],
    "Compute type of ours and, by autocast, of the best peers.")
_PERCEPTUAL = flags.DEFINE_enum(
    "perceptual", "lpips", ["lpips", "dr"], "Of encoder and inversion.")
_FIELDS = {
    name: flags.DEFINE_integer(name, default, text)
    for name, default, text in (
        ("width", 512, "Widest layer; others keep their proportions."),
        ("classes", 8, "Classes of the labels."),
        ("steps", 10, "Steps of an inversion."),
        ("pictures", 256, "Pictures that the case input reads."))}
_VGG = flags.DEFINE_float("vgg", 1.0, "Scales the widths of LPIPS' network.")
flags.mark_flag_as_required("case")


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


def measure(s: settings_lib.Settings, sides, rounds: int) -> dict:
  """The record of one comparison.

  Args:
    s: what is compared.
    sides: names of peers.
    rounds: counted runs of each side.

  Raises:
    RuntimeError: our side cannot run the case; the message is one line.
    ValueError: a peer's outputs are not ours.
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
      limits = agreement.tolerances(s.dtype, ours.described["device"])
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
        gap = max(gap, agreement.verify(
            ours.described["outputs"], side.described["outputs"], limits))
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


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"unknown argument {argv[1]!r}")
  unknown = set(_SIDES.value) - set(settings_lib.SIDES)
  if unknown:
    raise app.UsageError(
        f"--sides={','.join(sorted(unknown))}: choose of "
        f"{', '.join(settings_lib.SIDES)}")
  sides = [n for n in settings_lib.SIDES[1:] if n in _SIDES.value]
  command = shlex.join(["python", "-m", "benchmarks.compare", *sys.argv[1:]])
  found = []
  for size in map(int, _SIZES.value):
    for batch in map(int, _BATCHES.value):
      s = settings_lib.Settings(
          _CASE.value, size, batch, dtype=_DTYPE.value,
          perceptual=_PERCEPTUAL.value, vgg=_VGG.value,
          **{k: f.value for k, f in _FIELDS.items()})
      try:
        found.append(measure(s, sides, _ROUNDS.value) | {"command": command})
      except (RuntimeError, ValueError) as error:
        print(f"{s.case}, {size} px, batch {batch}: {error}", file=sys.stderr)
        return 1
      if _OUT.value:
        print(report.add(pathlib.Path(_OUT.value), found[-1]))
  print(report.markdown(report.machine(found[-1]["device"]), found, False))
  return 0


if __name__ == "__main__":
  app.run(main)

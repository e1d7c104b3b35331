r"""One case, semseg_jax against PyTorch, side by side.

  python -m benchmarks.compare --case=generator --size=64 --batch=4
  python -m benchmarks.compare --case=inversion --size=64 --batch=1,8 --steps=10

Cases: generator, gan, gan_regularised, gan_projected, encoder, inversion,
deeplab, deeplab_gradient, s4gan, efficientnet, hypercolumn, input. Each side
runs in a process of its own, semseg_jax with XLA's settings of train.py; they
get the same weights and inputs, have to agree, and then run in turns. Lists of
sizes and batches are measured one after the other. Rows go to
benchmarks/results/<kind of machine>.md.
"""

import json
import os
import pathlib
import shlex
import sys
import tempfile

from absl import app
from absl import flags

from benchmarks.compare import isa
from benchmarks.compare import report
from benchmarks.compare import run
from benchmarks.compare import settings as settings_lib
from benchmarks.compare import turns

_CASE = flags.DEFINE_enum("case", None, settings_lib.CASES, "What to compare.")
_SIZES = flags.DEFINE_list("size", ["64"], "Sides of the images.")
_BATCHES = flags.DEFINE_list("batch", ["4"], "Images of each stream.")
_SIDES = flags.DEFINE_list(
    "sides", list(settings_lib.SIDES), "Who is measured; semseg_jax always is.")
_ROUNDS = flags.DEFINE_integer(
    "rounds", 7, "Counted runs of each side, at most.")
_SECONDS = flags.DEFINE_float(
    "seconds", float("inf"),
    "Fewer rounds (3 or more) are run where they would take longer.")
_OUT = flags.DEFINE_string(
    "out", str(pathlib.Path(__file__).parents[1] / "results"),
    "Folder of the results; empty: the table is printed only.")
_DTYPE = flags.DEFINE_enum(
    "dtype", "float32", ["float32", "bfloat16"],
    "Compute type of semseg_jax and, by autocast, of the best peers.")
_PERCEPTUAL = flags.DEFINE_enum(
    "perceptual", "lpips", ["lpips", "dr"], "Of encoder and inversion.")
_FIELDS = {
    name: flags.DEFINE_integer(name, default, text)
    for name, default, text in (
        ("width", 512, "Widest layer; others keep their proportions."),
        ("classes", 8, "Classes of the labels."),
        ("steps", 10, "Steps of an inversion."),
        ("images", 256, "Images that the case input reads."))}
_VGG = flags.DEFINE_float("vgg", 1.0, "Scales the widths of LPIPS' network.")
_SLACK = flags.DEFINE_float(
    "slack", 1.0, "Multiplies the tolerances within which sides must agree.")
_CPU_TIME = flags.DEFINE_bool(
    "cpu_time", False, "Processor seconds, on a machine that does other work: "
    "then keep to one core (taskset -c 0).")
_ISA = flags.DEFINE_enum(
    "isa", "", ["", *isa.CAPS], "Widest instruction set that is shown to both "
    "sides, on x86; empty: all that there are.")
_JSON = flags.DEFINE_bool(
    "json", False, "A line of JSON for each record instead of the table.")
_COMPILED = flags.DEFINE_string(
    "compiled", "", "Folder that keeps compiled programs for later runs; "
    "empty: all are compiled anew, so that the time is known.")
_TURNS = flags.DEFINE_string(
    "turns", "", "COUNT:FOLDER, the same for COUNT comparisons that start "
    "together: all get ready at once, then they are timed in turns.")
flags.mark_flag_as_required("case")


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"unknown argument {argv[1]!r}")
  unknown = set(_SIDES.value) - set(settings_lib.SIDES)
  if unknown:
    raise app.UsageError(
        f"--sides={','.join(sorted(unknown))}: choose of "
        f"{', '.join(settings_lib.SIDES)}")
  sides = [n for n in settings_lib.SIDES[1:] if n in _SIDES.value]
  folders = ("--out", "--compiled", "--turns")  # Of this machine.
  turn = turns.Turns.parse(_TURNS.value)
  command = shlex.join(["python", "-m", "benchmarks.compare", *(
      a for a in sys.argv[1:] if not a.startswith(folders))])
  compiled = _COMPILED.value and str(pathlib.Path(_COMPILED.value, _ISA.value))
  library = tempfile.TemporaryDirectory()  # Until the processes have ended.
  if _ISA.value:
    os.environ.update(isa.environment(_ISA.value, library.name))
  records = []
  for size in map(int, _SIZES.value):
    for batch in map(int, _BATCHES.value):
      s = settings_lib.Settings(
          _CASE.value, size, batch, dtype=_DTYPE.value,
          perceptual=_PERCEPTUAL.value, vgg=_VGG.value,
          cpu_time=_CPU_TIME.value,
          **{k: f.value for k, f in _FIELDS.items()})
      try:
        records.append(run.measure(
            s, sides, _ROUNDS.value, _SECONDS.value, _SLACK.value,
            compiled, turn) | {"command": command})
      except RuntimeError as error:
        print(f"{s.case}, {size} px, batch {batch}: {error}", file=sys.stderr)
        return 1
      if _JSON.value:
        print(json.dumps(report.line(records[-1])), flush=True)
      if _OUT.value:
        print(report.add(pathlib.Path(_OUT.value), records[-1]))
  if not _JSON.value:
    print(report.markdown(
        report.machine(records[-1]["device"]), records))
  return int(any(run.DISAGREES in note for r in records for note in r["notes"]))


if __name__ == "__main__":
  app.run(main)

r"""Checks and measures a machine, part by part, within a given time.

  python -m benchmarks.accelerator --minutes=10 --out=OUT [--parts=a,c] [--tiny]

Writes OUT/results.jsonl and OUT/results.md after every row, so that a run that
is cut short still tells, and OUT/log.txt. Each row is a process of its own with
a limit; one that fails leaves its error and the next one goes on. Exit status:
0 if something was measured. docs/accelerators.md says how to read the results.
"""

import pathlib

from absl import app
from absl import flags

from benchmarks.accelerator import parts
from benchmarks.accelerator import runner


def define_flags():
  """See --help."""
  flags.DEFINE_float("minutes", 10.0, "All of it ends before.")
  flags.DEFINE_string("out", "accelerator", "Folder of the results.")
  flags.DEFINE_list("parts", list(parts.PARTS), "Which parts, in order.")
  flags.DEFINE_integer(
      "together", 0, "Comparisons of part d that get ready at the same time, "
      "up to 16 GiB of the device's memory each; 0: by the number of cores.")
  flags.DEFINE_bool("tiny", False, "Toy sizes: a rehearsal.")
  flags.DEFINE_string("golden_dir", "tests/golden/data", "Golden cases.")
  flags.DEFINE_string("data", "data", "Folder of the data packs, for part f.")


def main(argv):
  given = flags.FLAGS
  unknown = [p for p in given.parts if p not in parts.PARTS]
  if len(argv) > 1 or unknown:
    raise app.UsageError(
        f"unknown: {', '.join([*argv[1:], *unknown])}; parts are "
        f"{', '.join(parts.PARTS)}")
  options = parts.Options(
      pathlib.Path(given.out).resolve(), given.tiny, given.golden_dir,
      given.data)
  run = runner.Runner(options.out, 60 * given.minutes)
  for i, name in enumerate(given.parts):
    part = parts.PARTS[name]
    if part.in_turns and given.together:
      part = part._replace(together=given.together)
    left = sum(parts.PARTS[x].share for x in given.parts[i:])
    run.part(name, part, part.rows(options), part.share / left)
  return int(not run.measured)


if __name__ == "__main__":
  define_flags()
  app.run(main)

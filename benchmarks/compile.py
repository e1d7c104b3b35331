r"""Seconds of tracing and of compilation, phase by phase; nothing is run.

The programs are those of training, made from shapes alone; the next is traced
while one is compiled, as in training. With a compile cache
(JAX_COMPILATION_CACHE_DIR) the second call shows what is left of them.

  python -m benchmarks.compile --size=256 --width=512 --batch=1 --stage=gan
"""

from concurrent import futures
import time

from absl import app
from absl import flags
import jax

from benchmarks import train_step
from semseg_jax.cpu import startup
from semseg_jax.planning import programs
from semseg_jax.training import mesh as mesh_lib


def measure(name: str):
  """({phase: (seconds of tracing, of compilation)}, seconds of all)."""
  config = programs.blank(train_step.config())
  cases = programs.training(config, name, mesh_lib.make())
  start = time.monotonic()
  seconds = {}
  with futures.ThreadPoolExecutor(1) as pool:
    for case in cases:
      before = time.monotonic()
      lowered = case.lower()
      seconds[case.phase] = (
          time.monotonic() - before, pool.submit(_seconds, lowered))
    seconds = {k: (traced, f.result()) for k, (traced, f) in seconds.items()}
  return seconds, time.monotonic() - start


def _seconds(lowered) -> float:
  start = time.monotonic()
  lowered.compile()
  return time.monotonic() - start


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"unknown argument {argv[1]!r}")
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
  print(f"XLA: {startup.apply()}\n")  # As train.py; JAX has not started yet.
  print(f"{jax.devices()[0].device_kind}, {startup.cores()} cores, "
        f"jax {jax.__version__}\n\n"
        "| stage | phase | traced, s | compiled, s |\n|---|---|---|---|")
  for stage in flags.FLAGS.stage:
    phases, total = measure(stage)
    for phase, (traced, compiled) in phases.items():
      print(f"| {stage} | {phase} | {traced:.1f} | {compiled:.1f} |")
    print(f"| {stage} | all, as it went | | {total:.1f} |", flush=True)


if __name__ == "__main__":
  app.run(main)

"""Flags with which train.py and eval.py join a run of several processes."""

import sys

from absl import flags

from semseg_jax.training import mesh

_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "Joins a run of several processes: \"host:port\" of "
    "process 0, the same on all, or \"auto\" to read everything from the "
    "cluster's environment (Slurm, Cloud TPU, GKE).")
_PROCESSES = flags.DEFINE_integer(
    "processes", 1, "Processes in all; not with --coordinator=auto.")
_PROCESS = flags.DEFINE_integer(
    "process", 0, "This process's number, from 0; not with "
    "--coordinator=auto.")


def join() -> None:
  """Joins the run that the flags describe; before any other use of JAX.

  Exits with one line where they contradict each other or nobody answers.
  """
  given = _PROCESSES.present or _PROCESS.present
  if given and _COORDINATOR.value in (None, "auto"):
    sys.exit("error: --processes and --process need --coordinator=host:port "
             "of process 0")
  try:
    mesh.initialize(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
  except (ValueError, RuntimeError) as error:
    sys.exit(f"error: --coordinator={_COORDINATOR.value}: "
             f"{str(error).splitlines()[0]}")

"""How a command ends: one line for what a user can mend, and its exit code."""

import contextlib
import os
import sys

from absl import logging
import jax

from semseg_jax.training import records

# What a user can mend: shown as one line, without a traceback.
USER_ERRORS = (OSError, ValueError, records.NonFiniteError)
# sysexits' EX_TEMPFAIL: nothing is wrong with the command, start it again.
LOST_PROCESS = 75


@contextlib.contextmanager
def one_line():
  """Ends the program with "error: ..." where its body raises a user's error.

  In a run of several processes also where another process is gone, with code
  LOST_PROCESS. All errors there end the process at once: JAX's own way out
  waits minutes for the others, and they for it.
  """
  try:
    yield
  except USER_ERRORS as error:
    logging.debug("where it was raised", exc_info=True)
    _leave(f"error: {error}", 1)
  except jax.errors.JaxRuntimeError as error:
    if not jax.distributed.is_initialized():
      raise
    _leave(
        f"error: process {jax.process_index()} of {jax.process_count()} cannot "
        f"go on without the others ({str(error).splitlines()[0]}): one of them "
        "is gone, its own log says why. Run the same command in all processes "
        "to continue from the newest checkpoint", LOST_PROCESS)


def _leave(message: str, code: int):
  if not jax.distributed.is_initialized():
    sys.exit(message)
  print(message, file=sys.stderr, flush=True)
  logging.flush()
  sys.stdout.flush()
  os._exit(code)

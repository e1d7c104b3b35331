"""How a command ends: one line for what a user can mend, and its exit code."""

import contextlib
import errno
import os
import sys
import traceback

from absl import logging
import jax

# What a user can mend: shown as one line, without a traceback.
USER_ERRORS = (OSError, ValueError, FloatingPointError)
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
# sysexits' EX_TEMPFAIL: nothing is wrong with the command, start it again.
LOST_PROCESS = 75


class Preempted(SystemExit):
  """SIGTERM came; the state is saved. Uncaught: exit code 143 = 128 + 15."""

  def __init__(self, message):
    super().__init__(143)
    self.message = message

  def __str__(self):
    return self.message


@contextlib.contextmanager
def one_line():
  """Ends the program with "error: ..." where its body raises a user's error.

  Also where a device's memory does not suffice, with the message of `Preempted`
  and its code, and in a run of several processes where another is gone, with
  code LOST_PROCESS. There every error ends the process at once: JAX's own way
  out waits minutes for the others, and they for it.
  """
  try:
    yield
  except USER_ERRORS as error:
    logging.debug("where it was raised", exc_info=True)
    full = (getattr(error, "errno", None) in _NO_ROOM
            and not getattr(error, "filename", None))
    where = (": no room for what this command writes (--workdir, --out, or "
             "XDG_CACHE_HOME); then run it again" if full else "")
    _leave(f"error: {error}{where}", 1)
  except Preempted as stopped:
    if jax.process_index() == 0:
      # On a terminal in the place of the line of progress.
      start = "\r\033[K" if sys.stderr.isatty() else ""
      print(f"{start}{stopped}", file=sys.stderr, flush=True)
    raise
  except Exception as error:
    first = (str(error).splitlines() or [""])[0]
    from_jax = isinstance(error, jax.errors.JaxRuntimeError)
    if from_jax and "RESOURCE_EXHAUSTED" in first:
      _leave(f"error: the devices' memory does not suffice ({first}): set "
             "config.num_microbatches, config.remat or config.sharding as "
             "docs/clusters.md says, or a smaller batch", 1)
    if not jax.distributed.is_initialized():
      raise
    if not from_jax:
      _leave(traceback.format_exc(), 1)
    _leave(
        f"error: process {jax.process_index()} of {jax.process_count()} cannot "
        f"go on without the others ({first}): one of them is gone, its own log "
        "says why. Run the same command in all processes to continue from the "
        "newest checkpoint", LOST_PROCESS)


def _leave(message: str, code: int):
  if not jax.distributed.is_initialized():
    sys.exit(message)
  print(message, file=sys.stderr, flush=True)
  logging.flush()
  sys.stdout.flush()
  os._exit(code)

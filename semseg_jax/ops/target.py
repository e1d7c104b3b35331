"""The platform that is compiled for: this machine's, or another one.

Choices that depend on the platform ask `platform()` while they are traced, so
a program for a TPU can be compiled where there is none.
"""

import contextlib
import contextvars

import jax

_PLATFORM = contextvars.ContextVar("platform", default=None)


def platform() -> str:
  """"cpu", "gpu" or "tpu"; by default that of this machine's first device."""
  return _PLATFORM.get() or jax.default_backend()


@contextlib.contextmanager
def compiling_for(name: str):
  """What is traced inside is meant for the platform `name`."""
  token = _PLATFORM.set(name)
  try:
    yield
  finally:
    _PLATFORM.reset(token)

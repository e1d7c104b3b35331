"""The platform that is compiled for: this machine's, or another one.

Choices that depend on the platform ask `platform()` while they are traced, so
a program for a TPU can be compiled where there is none.
"""

from collections.abc import Callable
import contextlib
import contextvars
import functools

import jax

_PLATFORM = contextvars.ContextVar("platform", default=None)


def platform() -> str:
  """"cpu", "gpu" or "tpu"; by default that of this machine's first device."""
  return _PLATFORM.get() or jax.default_backend()


def run_once() -> dict[str, int]:
  """Options of `jax.jit` for a program that runs once, such as `init`.

  Most of the time before a stage's first step went into optimizing code for one
  use: a U-Net's initialization compiles in a tenth of the time without.
  """
  return {"xla_backend_optimization_level": 0} if platform() == "cpu" else {}


@contextlib.contextmanager
def compiling_for(name: str):
  """What is traced inside is meant for the platform `name`."""
  token = _PLATFORM.set(name)
  try:
    yield
  finally:
    _PLATFORM.reset(token)


def on_cpu(fast: Callable) -> Callable:
  """Decorates a function that `fast` replaces where a CPU is compiled for.

  Args:
    fast: takes the same arguments and computes the same; it returns
      NotImplemented where it is not the faster one.
  """
  def decorate(plain):
    @functools.wraps(plain)
    def chosen(*args, **kwargs):
      result = NotImplemented
      if platform() == "cpu":
        result = fast(*args, **kwargs)
      return plain(*args, **kwargs) if result is NotImplemented else result
    return chosen
  return decorate

"""What must be done before JAX starts; imports no JAX."""

import gc
import glob
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

from absl import logging

from semseg_jax.cpu import allocator

# Sends convolutions to Eigen instead of YNNPACK, which is 2-4 times faster on
# CPU. Experimental: a jaxlib that does not know it aborts the process.
CPU_FLAG = "--xla_cpu_experimental_ynn_fusion_type=-individual_convolution"

# For programs that are compiled far more than they compute: LLVM's optimizer is
# left out, fusions are emitted in the older way, which compiles in half the
# time or less, and a program is not split for threads that other work needs.
QUICK_FLAGS = ("--xla_backend_optimization_level=0",
               "--xla_cpu_use_fusion_emitters=false",
               "--xla_llvm_disable_expensive_passes=true",
               "--xla_cpu_parallel_codegen_split_count=1")


def setup(folder=None) -> None:
  """XLA's flags, allocator, cache of compiled programs, garbage collection.

  Entry points call it before anything imports JAX. What the user has set
  stays. On accelerators flags and allocator are left as they are.

  Args:
    folder: for what is kept between runs; None: `cache_folder()`.
  """
  apply(folder)
  compile_cache(folder)
  rarely_collect()


def rarely_collect() -> None:
  """Lets Python look for garbage less often.

  Tracing makes many objects that stay: looking through them again and again
  takes a sixth of the time before the first step.
  """
  gc.set_threshold(100_000, 50, 50)


def cache_folder() -> pathlib.Path:
  """`semseg_jax` in the user's cache folder."""
  user = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
  return pathlib.Path(user) / "semseg_jax"


def apply(folder=None, *, flag: str = CPU_FLAG) -> str:
  """Sets XLA_FLAGS for a run on CPU, if this jaxlib accepts the flag.

  Whether it does is tried once per jaxlib version in a process of its own and
  remembered in xla_flags.json. XLA_FLAGS set by the user stay. The allocator is
  set, too (`allocator.keep_pages`).

  Returns what was done, in words; also logged.
  """
  if not _on_cpu():
    given = os.environ.get("XLA_FLAGS")
    message = "not on CPU: nothing is set" + (
        f"; XLA_FLAGS={given}" if given else "")
  else:
    if "XLA_FLAGS" in os.environ:
      message = "XLA_FLAGS is set by the user: left as it is"
    elif accepted(flag, folder):
      os.environ["XLA_FLAGS"] = flag
      message = f"XLA_FLAGS={flag}"
    else:
      message = f"this jaxlib does not know {flag}: left out"
    message += f"; {allocator.keep_pages()}"
  logging.debug("%s", message)
  return message


def quick(folder=None) -> str:
  """Sets XLA_FLAGS for short work on CPU instead of what `apply` has set.

  Before JAX's first computation; flags that the user has set stay.
  """
  if os.environ.get("XLA_FLAGS", CPU_FLAG) == CPU_FLAG and _on_cpu():
    os.environ["XLA_FLAGS"] = " ".join(quick_flags(folder))
  return os.environ.get("XLA_FLAGS", "")


def quick_flags(folder=None) -> list[str]:
  """Those of QUICK_FLAGS that this jaxlib knows."""
  return [flag for flag in QUICK_FLAGS if accepted(flag, folder)]


def cores() -> int:
  """Those that this process may use."""
  allowed = getattr(os, "sched_getaffinity", None)
  return len(allowed(0)) if allowed else os.cpu_count()


def compile_cache(folder=None) -> None:
  """Keeps compiled programs in `folder`, unless the user chose another.

  XLA compiles programs for CPU for as many cores as the process may use. The
  cache's key does not say how many, so each number has a folder of its own:
  what was compiled for one core would leave the others idle.
  """
  folder = pathlib.Path(folder or cache_folder()).absolute() / "jax"
  os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(
      folder / f"{cores()}-cores" if _on_cpu() else folder))
  os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
  if "jax" in sys.modules:  # it read the environment when it was imported
    config = sys.modules["jax"].config
    config.update("jax_compilation_cache_dir",
                  os.environ["JAX_COMPILATION_CACHE_DIR"])
    config.update("jax_persistent_cache_min_compile_time_secs", float(
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"]))


def _on_cpu() -> bool:
  platforms = os.environ.get("JAX_PLATFORMS", "")
  if platforms:
    return platforms == "cpu"
  plugins = importlib.metadata.entry_points(group="jax_plugins")
  return not plugins and not _tpu_is_here()


def _tpu_is_here() -> bool:
  """libtpu alone does not tell: `plan` compiles with it without a TPU."""
  devices = glob.glob("/dev/accel*") + glob.glob("/dev/vfio/[0-9]*")
  return importlib.util.find_spec("libtpu") is not None and bool(devices)


def accepted(flag: str, folder=None) -> bool:
  """Whether this jaxlib knows a flag, remembered in `folder`."""
  key = f"{importlib.metadata.version('jaxlib')} {flag}"
  path = pathlib.Path(folder or cache_folder()) / "xla_flags.json"
  try:
    known = json.loads(path.read_text())
  except (OSError, ValueError):
    known = {}
  if key not in known:
    env = os.environ | {"XLA_FLAGS": flag, "JAX_PLATFORMS": "cpu"}
    known[key] = subprocess.run(
        (sys.executable, "-c", "import jax; jax.jit(lambda x: x + 1)(1.0)"),
        env=env, capture_output=True, check=False).returncode == 0
    try:
      path.parent.mkdir(parents=True, exist_ok=True)
      temporary = path.with_suffix(f".{os.getpid()}.tmp")
      temporary.write_text(json.dumps(known))
      temporary.replace(path)
    except OSError as error:
      logging.warning("cannot write %s (%s): XLA's flag is tried at every "
                      "start", path, error)
  return known[key]

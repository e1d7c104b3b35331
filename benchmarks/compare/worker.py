"""A side of a comparison in a process of its own.

The process answers commands until the pipe closes: "run" does the case once
and answers its seconds, "matmul" and "copy" measure the machine, "memory"
answers the peak since the last "reset", and semseg_jax's "profile" where a
run's time goes.
"""

import os
import pathlib
import sys
import time
import traceback
from typing import Any
from typing import NamedTuple

import numpy as np

from benchmarks import timing
from benchmarks.compare import settings as settings_lib
from semseg_jax.cpu import allocator

_MIB = 2 ** 20


def serve(pipe, s: settings_lib.Settings, side: str, root: str):
  """Answers `pipe`: first {"outputs", ...} of two runs, or {"error"}."""
  try:
    engine = (Ours if side == "ours" else Theirs)(s, pathlib.Path(root), side)
    engine.commands |= {"reset": engine.reset, "memory": engine.memory}
    pipe.send(engine.description())
  except settings_lib.Unavailable as error:
    pipe.send({"error": str(error)})
    return
  except Exception as error:  # Told to the parent, which goes on without.
    traceback.print_exc(file=sys.stderr)
    text = str(error).strip().splitlines() or [""]
    pipe.send({"error": f"{type(error).__name__}: {text[0]}"})
    return
  while True:
    try:
      command = pipe.recv()
    except EOFError:
      return
    pipe.send(engine.commands[command]())


def prepare(s: settings_lib.Settings, root: str):
  """Writes weights and inputs; runs in a process of its own."""
  from benchmarks.compare import prepare as prepare_lib
  prepare_lib.main(s, pathlib.Path(root))


class Ours:
  """semseg_jax."""

  def __init__(self, s, root, side):
    del side
    from semseg_jax.cpu import startup
    self.flags = startup.apply()
    # Again after a reset, which hands free memory back.
    self.keep = allocator.keep_pages if "memory is kept" in self.flags else (
        lambda: None)
    import jax

    from benchmarks.compare import ours
    from semseg_jax.training import phases
    self.jax, self.s = jax, s
    program = ours.make(s, root)
    cold, cached = {}, {}
    cache = pathlib.Path(os.environ["JAX_COMPILATION_CACHE_DIR"])
    num_cached = lambda: len(list(cache.glob("*"))) if cache.exists() else 0
    # The second time from the cache, if the first did not find all there.
    for _ in range(2 if cache.is_relative_to(root) else 1):
      if cached and None not in cached.values():
        break
      jax.clear_caches()
      compiled, cost = {}, {"flops": 0.0, "bytes": 0.0}
      lowered = _lap(program.lower)
      cold.setdefault("tracing", lowered.seconds)
      cached["tracing"] = lowered.seconds
      for name, (low, times) in lowered.result.items():
        before = num_cached()
        lap = _lap(low.compile)
        compiled[name] = lap.result
        if num_cached() > before:
          cold[name], cached[name] = lap.seconds, None
        else:
          cached[name] = lap.seconds
          cold.setdefault(name, None)
        counts = lap.result.cost_analysis() or {}
        cost["flops"] += times * (
            phases.flops(low, lap.result) or float("nan"))
        cost["bytes"] += times * counts.get("bytes accessed", float("nan"))
    self.cost, self.compile_seconds = cost, [cold, cached]
    run = program.start(compiled)
    laps = [_lap(run, s.cpu_time) for _ in range(2)]
    self.outputs = [self._present(lap.result) for lap in laps]
    matmul, copy = self._peaks()
    self.commands = {"run": lambda: _lap(run, s.cpu_time).seconds,
                     "matmul": matmul, "copy": copy,
                     "profile": self._profile(run, compiled)}

  def _profile(self, run, compiled):
    from benchmarks.compare import operations

    def table():
      try:
        return operations.table(run, compiled)
      except Exception as error:  # The times are worth more than this.
        print(f"no profile: {error}", file=sys.stderr)
        return {"kinds": [], "longest": []}
    return table

  def _present(self, outputs):
    return {k: _channels_first(np.asarray(v, np.float32))
            for k, v in outputs.items() if not k.startswith("_")}

  def _peaks(self):
    n, size = sizes(self.jax.default_backend() == "cpu")

    def rate(run, work):
      run()
      return lambda: work / _lap(run, self.s.cpu_time).seconds

    return (rate(*timing.product(n, self.s.dtype)), rate(*timing.copy(size)))

  def reset(self):
    timing.reset_memory()
    self.keep()

  def memory(self):
    return timing.peak_memory_mib()

  def description(self):
    device = self.jax.devices()[0]
    kind = device.device_kind if device.platform != "cpu" else "cpu"
    return {"outputs": self.outputs, "cost": self.cost, "device": kind,
            "devices": len(self.jax.devices()), "flags": self.flags,
            "compile": self.compile_seconds,
            "version": f"jax {self.jax.__version__}"}


class Theirs:
  """PyTorch."""

  def __init__(self, s, root, side):
    self.keep = allocator.keep_pages if side != "original" else (
        lambda: None)  # As semseg_jax has it.
    self.keep()
    import torch

    from benchmarks.compare import theirs
    self.s, self.torch, self.device = s, torch, theirs.device()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    # As JAX does by default on such devices.
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    work = theirs.make(s, root, side)
    self.dtype = s.dtype if side != "original" else "float32"

    def run():
      outputs = work()
      self.wait()
      return outputs

    # Fetched at once: later runs may write into what they return.
    laps, self.outputs = [], []
    for _ in range(2):
      laps.append(_lap(run, s.cpu_time))
      self.outputs.append({
          k: v.detach().float().cpu().numpy()
          for k, v in laps[-1].result.items()})
    self.first = laps[0].seconds
    matmul, copy = self._peaks()
    self.commands = {"run": lambda: _lap(run, s.cpu_time).seconds,
                     "matmul": matmul, "copy": copy}

  def wait(self):
    if self.device.type == "cuda":
      self.torch.cuda.synchronize()

  def _peaks(self):
    torch = self.torch
    n, size = sizes(self.device.type == "cpu")
    a = torch.randn(n, n, device=self.device).to(getattr(torch, self.dtype))
    x = torch.ones(size // 4, device=self.device)

    def lap(f):
      f()
      self.wait()
      return _lap(lambda: (f(), self.wait()), self.s.cpu_time).seconds

    return (lambda: 2 * n ** 3 / lap(lambda: a @ a),
            lambda: 2 * size / lap(lambda: x * 2))

  def reset(self):
    if self.device.type == "cuda":
      self.torch.cuda.reset_peak_memory_stats()
    timing.reset_memory()
    self.keep()

  def memory(self):
    if self.device.type == "cuda":
      return self.torch.cuda.max_memory_allocated() / _MIB
    return timing.resident_mib()

  def description(self):
    return {"outputs": self.outputs, "first": self.first,
            "version": f"torch {self.torch.__version__}"}


class Lap(NamedTuple):
  """What a function returned and how long it took."""
  result: Any
  seconds: float


def _lap(function, cpu_time=False) -> Lap:
  """Runs it; seconds of the clock, or of this process on all cores."""
  clock = time.process_time if cpu_time else time.perf_counter
  start = clock()
  result = function()
  return Lap(result, clock() - start)


def sizes(cpu: bool) -> tuple[int, int]:
  """(side of the peak's matrices, bytes of its copied array)."""
  return (2048, 64 * _MIB) if cpu else (8192, 256 * _MIB)


def _channels_first(x):
  return np.moveaxis(x, -1, 1) if x.ndim == 4 else x

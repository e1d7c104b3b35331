"""Versions, devices, memory; times of products, copies, depthwise filters."""

import argparse
import importlib.metadata
import json

import jax
import jax.numpy as jnp

from benchmarks import timing
from semseg_jax.cpu import depthwise
from semseg_jax.cpu import target
from semseg_jax.ops import depthwise_conv

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy",
             "torch", "jax-cuda13-plugin", "libtpu")


def versions() -> dict[str, str]:
  """{package: version} of those that are here."""
  known = {}
  for name in _PACKAGES:
    try:
      known[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      continue
  return known


# EfficientNet-Lite0's, at 64 px: (images, side, channels, kernel).
_DEPTHWISE = ((32, 32, 96, 3), (32, 8, 240, 5), (32, 4, 672, 5))
_REPEATS = 20  # in a program, as one alone would be timed by its launch


def depthwise_forms(sizes, rounds: int = 5):
  """Rows: microseconds of both forms, forward and gradient of the map."""
  forms = {"library": depthwise_conv.depthwise_conv,
           "taps": lambda x, kernel: depthwise.correlate(
               x, kernel, 1, 1, ((kernel.shape[0] // 2,) * 2,) * 2)}
  rows = []
  for n, side, channels, k in sizes:
    for dtype in ("float32", "bfloat16"):
      x = jax.random.normal(
          jax.random.key(0), (n, side, side, channels)).astype(dtype)
      kernel = jnp.full((k, k, 1, channels), 1 / k ** 2, dtype)
      times = timing.interleave(
          {name: _repeated(form, x, kernel) for name, form in forms.items()},
          rounds)
      rows.append({
          "depthwise": f"{n}x{side}x{side}x{channels}", "kernel": k,
          "dtype": dtype, **{f"{name}_us": 1e6 * t.median / _REPEATS
                             for name, t in times.items()}})
  return rows


def _repeated(form, x, kernel):
  """Runs the form and its gradient again and again."""
  def both(x, _):
    y, back = jax.vjp(lambda x: form(x, kernel), x)
    return back(y)[0], None

  with target.compiling_for("gpu"):  # not the CPU's own choice
    compiled = jax.jit(lambda x: jax.lax.scan(
        both, x, length=_REPEATS)[0]).lower(x).compile()
  return lambda: jax.block_until_ready(compiled(x))


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--tiny", action="store_true", help="toy sizes")
  tiny = parser.parse_args().tiny
  say = lambda **row: print(json.dumps(row), flush=True)
  for name, version in versions().items():
    say(package=name, version=version)
  for device in jax.devices():
    stats = device.memory_stats() or {}
    say(device=str(device), kind=device.device_kind,
        memory_gib=stats.get("bytes_limit", 0) / 2 ** 30)
  large = jax.default_backend() != "cpu" and not tiny
  side, size = (8192, 2 ** 30) if large else (256, 2 ** 22)
  for dtype, precision in (("bfloat16", None), ("float32", None),
                           ("float32", "highest")):
    run, work = timing.product(side, dtype, precision)
    seconds = timing.interleave({"": run}, 10)[""].median
    say(product=side, dtype=dtype, precision=precision or "default",
        tflops=work / seconds / 1e12)
  run, moved = timing.copy(size)
  seconds = timing.interleave({"": run}, 10)[""].median
  say(copy_mib=size / 2 ** 20, gb_per_second=moved / seconds / 1e9)
  for row in depthwise_forms(_DEPTHWISE if large else ((2, 4, 8, 3),)):
    say(**row)


if __name__ == "__main__":
  main()

"""Versions, devices, memory, and what products and copies reach."""

import argparse
import importlib.metadata
import json

import jax

from benchmarks import timing

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


if __name__ == "__main__":
  main()

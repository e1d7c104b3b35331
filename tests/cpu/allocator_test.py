"""Whether freed memory is kept, in processes of their own."""

import os
import pathlib
import subprocess
import sys

import pytest

# Page faults of the second of two equal large blocks.
_PROGRAM = """
import ctypes, resource, sys
from semseg_jax.cpu import allocator
if sys.argv[1] == "keep":
  print(allocator.keep_pages(), file=sys.stderr)
libc = ctypes.CDLL("libc.so.6")
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
for _ in range(2):
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  block = libc.malloc(64 << 20)
  ctypes.memset(block, 1, 64 << 20)
  libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
for line in open("/proc/self/smaps_rollup"):
  if line.startswith("AnonHugePages"):
    print("huge KiB", line.split()[1], file=sys.stderr)
"""
_HUGE = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")


def run(argument, **env):
  clean = {k: v for k, v in os.environ.items()
           if not k.startswith(("MALLOC_", "GLIBC_"))}
  return subprocess.run(
      (sys.executable, "-c", _PROGRAM, argument), env=clean | env, check=True,
      capture_output=True, text=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_pages_are_used_again():
  pages = 64 << 20 >> 12
  assert int(run("leave").stdout) > pages // 2
  assert int(run("keep").stdout) < pages // 100


@pytest.mark.skipif(
    not _HUGE.exists() or "[never]" in _HUGE.read_text(),
    reason="this system gives no huge pages")
def test_blocks_lie_in_huge_pages():
  said = run("keep").stderr
  assert "in huge pages" in said
  assert int(said.split("huge KiB ")[1].split()[0]) > 32 << 10


def test_the_users_settings_stay():
  process = run("keep", MALLOC_ARENA_MAX="3")
  assert "by the user (MALLOC_ARENA_MAX)" in process.stderr

"""The C library's allocator, for programs that are called again and again.

Imports no JAX.
"""

import ctypes
import os

# Names and numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def keep_pages() -> str:
  """Lets this process keep the memory that it frees.

  XLA allocates the temporaries of a program anew in every call. glibc takes
  blocks of that size from the system and gives them back, so that on CPU each
  call waits until all their pages are mapped and zeroed. Kept pages are ready;
  the process stays as large as it has been. Settings of the user's stay.

  Returns:
    What was done, in words.
  """
  users = [k for k in os.environ
           if k == "GLIBC_TUNABLES" or k.startswith("MALLOC_")]
  if users:
    return f"the allocator is set by the user ({', '.join(sorted(users))})"
  try:
    mallopt = ctypes.CDLL("libc.so.6").mallopt
  except (OSError, AttributeError):
    return "the allocator is not glibc's: left as it is"
  # One heap, all blocks in it, never shrunk.
  done = [mallopt(*setting) for setting in (
      (_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1))]
  return "freed memory is kept" if all(done) else (
      "the allocator refuses to keep freed memory")

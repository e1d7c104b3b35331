"""The C library's allocator, for programs that are called again and again.

Imports no JAX.
"""

import ctypes
import os

# Names and numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
# Of Linux's mman.h, and the size of its huge pages on x86 and most of ARM.
_MADV_HUGEPAGE, _HUGE = 14, 2 << 20


def keep_pages() -> str:
  """Lets this process keep the memory that it frees.

  XLA allocates the temporaries of a program anew in every call. glibc takes
  blocks of that size from the system and gives them back, so that on CPU each
  call waits until all their pages are mapped and zeroed. Pages that stay mapped
  are ready; the process stays as large as it has been. They are huge ones where
  Linux gives them on request. Settings of the user's stay.

  Returns what was done, in words.
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
  if not all(done):
    return "the allocator refuses to keep freed memory"
  return "freed memory is kept" + (
      ", in huge pages" if _huge_pages() else "")


def _huge_pages() -> bool:
  """Asks for huge pages below the heap as far as it will grow.

  Addresses are looked up once in 2 MiB instead of 4 KiB; in virtual machines a
  look-up costs twice. The heap is made as large as half of the memory and
  handed back to the allocator, which keeps it: no page of it is taken before
  it is written.
  """
  libc = ctypes.CDLL("libc.so.6", use_errno=True)
  libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
  libc.free.argtypes = [ctypes.c_void_p]
  libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
  size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
  block = libc.malloc(size)
  if not block:
    return False
  start = -(-block // _HUGE) * _HUGE
  taken = libc.madvise(start, (size - (start - block)) // _HUGE * _HUGE,
                       _MADV_HUGEPAGE) == 0
  libc.free(block)
  return taken

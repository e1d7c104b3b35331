"""Both sides as on a processor with fewer instruction sets (isa.c)."""

import os
import pathlib
import subprocess

CAPS = ("avx2", "avx512")


def environment(widest: str, folder) -> dict[str, str]:
  """This process's environment, for one that sees no wider set than `widest`.

  Args:
    widest: of `CAPS`.
    folder: the library is compiled into it; processes need it when they start.

  Raises:
    RuntimeError: this machine cannot hide instruction sets, or has no compiler.
  """
  library = pathlib.Path(folder, "isa.so").absolute()
  changed = os.environ | {"HIDE_ABOVE": widest, "LD_PRELOAD": str(library)}
  try:
    subprocess.run(
        ("cc", "-O1", "-shared", "-fPIC", "-o", library,
         pathlib.Path(__file__).with_name("isa.c")), check=True)
    subprocess.run(("true",), env=changed, check=True)
  except (OSError, subprocess.CalledProcessError) as error:
    raise RuntimeError(
        f"--isa={widest}: needs Linux on x86, the flag cpuid_fault in "
        "/proc/cpuinfo and a C compiler") from error
  return changed

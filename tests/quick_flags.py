"""Prints XLA's flags for tests, which compile far more than they compute.

A flag that this jaxlib does not know would abort every process: each is tried
first.
"""

from semseg_jax.training import xla_flags

if __name__ == "__main__":
  print(*xla_flags.quick_flags())

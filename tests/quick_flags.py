"""Prints XLA's flags for tests, which compile far more than they compute.

A flag that this jaxlib does not know would abort every process: each is tried
first.
"""

from semseg_jax.cpu import startup

if __name__ == "__main__":
  print(*startup.quick_flags())

"""Prints XLA's flags for tests that compile far more than they compute.

LLVM's optimiser is left out, and fusions are emitted in the older way, which
compiles in half the time or less. A flag that this jaxlib does not know would
abort every process: each is tried first.
"""

from semseg_jax.training import xla_flags

FLAGS = ("--xla_backend_optimization_level=0",
         "--xla_cpu_use_fusion_emitters=false")

if __name__ == "__main__":
  print(*(flag for flag in FLAGS if xla_flags.accepted(flag)))

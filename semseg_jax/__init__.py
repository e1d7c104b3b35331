"""Label-efficient semantic segmentation with generative models, in JAX.

  model = semseg_jax.load("runs/mine")
  labels = model.segment(images).labels

`semseg_jax.api` describes what is exported here.
"""

import importlib

__all__ = ["Model", "load"]


def __getattr__(name):
  # Not at import: JAX and the networks load when they are first used.
  if name in __all__:
    return getattr(importlib.import_module("semseg_jax.api"), name)
  raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

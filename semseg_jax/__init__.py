"""Label-efficient semantic segmentation with generative models, in JAX.

  model = semseg_jax.load("runs/mine")
  labels = model.segment(images).labels

`semseg_jax.api` and `semseg_jax.inversion.simple` describe what is exported
here.
"""

import importlib

_MODULES = {"Model": "semseg_jax.api", "load": "semseg_jax.api",
            "invert": "semseg_jax.inversion.simple"}
__all__ = ["Model", "invert", "load"]


def __getattr__(name):
  # Not at import: JAX and the networks load when they are first used.
  if name in _MODULES:
    return getattr(importlib.import_module(_MODULES[name]), name)
  raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
  return sorted({*globals(), *__all__})

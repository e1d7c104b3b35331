"""Packages that only some data sets need."""

import importlib

from semseg_jax.data import errors


def package(name: str, extra: str):
  """Imports `name`, or says which extra of this project brings it."""
  try:
    return importlib.import_module(name)
  except ImportError as e:
    raise errors.DataError(
        f"this data set is read with {name.partition('.')[0]}, which is not "
        f"installed: pip install 'semseg_jax[{extra}]'") from e

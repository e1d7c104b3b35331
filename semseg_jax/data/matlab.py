"""Annotations in MATLAB files."""

from semseg_jax.data import errors
from semseg_jax.data import optional


def load(path: str, variable: str):
  """A variable of a .mat file; structs have attributes, single cells are bare.

  Raises errors.DataError: not such a file, or no such variable in it.
  """
  scipy_io = optional.package("scipy.io", "pascal")
  try:
    return scipy_io.loadmat(
        path, squeeze_me=True, struct_as_record=False)[variable]
  except KeyError as e:
    raise errors.DataError(f"{path}: has no variable {variable!r}") from e
  except Exception as e:  # the reader raises whatever it stumbles over
    raise errors.DataError(f"{path}: not a readable .mat file ({e})") from e

"""Reading of networks whose layers correspond one to one with the original's.
"""

from collections.abc import Callable
from typing import Any

from flax import linen as nn
import flax.traverse_util
import jax
import numpy as np

from semseg_jax.interop import state_dict as state_dicts

# Flax leaf -> PyTorch's.
_LEAVES = {
    "kernel": "weight", "scale": "weight", "slope": "weight", "bias": "bias",
    "mean": "running_mean", "var": "running_var",
    "count": "num_batches_tracked"}


def read(module: nn.Module, example, reader: state_dicts.Reader,
         name_of: Callable[[tuple[str, ...]], str]) -> dict[str, Any]:
  """Variables of `module`; its own shapes say which ones entries must have.

  Batch counters may be missing: files older than PyTorch 0.4.1 have none.

  Args:
    module: what the entries are for.
    example: an input of it.
    reader: the entries; all must be used.
    name_of: path of one of our layers to the original's name of it.

  Raises ValueError: an entry is missing, unexpected or misshapen.
  """
  expected = jax.eval_shape(module.init, jax.random.key(0), example)
  flat = {}
  for path, leaf in flax.traverse_util.flatten_dict(expected).items():
    name = entry_name(path[1:], name_of)
    if path[-1] == "count" and name not in reader:
      flat[path] = np.zeros((), np.int32)
    elif path[-1] == "kernel":
      flat[path] = _kernel(reader, name, leaf.shape)
    else:
      flat[path] = reader.take(name, leaf.shape).astype(leaf.dtype)
  reader.finish()
  return flax.traverse_util.unflatten_dict(flat)


def entry_name(path: tuple[str, ...], name_of) -> str:
  """The original's name of the variable at `path` within its collection."""
  return f"{name_of(path[:-1])}.{_LEAVES[path[-1]]}"


def _kernel(reader, name, shape):
  if len(shape) == 2:
    if name in reader and len(reader.shape(name)) == 4:  # a 1x1 convolution
      return reader.conv(name, (*shape[::-1], 1, 1))[0, 0]
    return reader.dense(name, shape[::-1])
  return reader.conv(name, (shape[3], shape[2], *shape[:2]))

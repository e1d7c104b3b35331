"""The usual FID weights (pt_inception-2015-12-05) to `models.inception`."""

import flax
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.interop import state_dict as state_dicts
from semseg_jax.models import inception

# Our leaf -> theirs. Our submodules have their names.
_LEAVES = {
    "kernel": "weight", "scale": "weight", "bias": "bias",
    "mean": "running_mean", "var": "running_var",
    "count": "num_batches_tracked"}


def fid(state_dict, **options):
  """InceptionV3 in its FID form.

  Args:
    state_dict: names to arrays. Batch counters (num_batches_tracked) are in
      newer copies of the file only and may be missing.
    **options: attributes of the module (dtype).

  Returns:
    The module and its variables: "params", "batch_stats".
  """
  reader = state_dicts.Reader(state_dict, "inception/fid")
  module = inception.InceptionV3(**options)
  expected = jax.eval_shape(
      module.init, jax.random.key(0),
      jnp.zeros((1, inception.SIZE, inception.SIZE, 3)))
  flat = {}
  for path, leaf in flax.traverse_util.flatten_dict(expected).items():
    name = ".".join((*path[1:-1], _LEAVES[path[-1]]))
    if path[-1] == "count" and name not in reader:
      flat[path] = np.zeros((), np.int32)
    elif path[-1] == "kernel":
      flat[path] = _kernel(reader, name, leaf.shape)
    else:
      flat[path] = reader.take(name, leaf.shape).astype(leaf.dtype)
  reader.finish()
  return module, flax.traverse_util.unflatten_dict(flat)


def _kernel(reader, name, shape):
  if len(shape) == 2:
    return reader.dense(name, shape[::-1])
  return reader.conv(name, (shape[3], shape[2], *shape[:2]))

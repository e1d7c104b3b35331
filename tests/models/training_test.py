"""A training step of every network: who gets a gradient, what is counted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.models import deeplab
from semseg_jax.models import fpn_encoder
from semseg_jax.models import psp_encoder
from semseg_jax.models import resnet
from semseg_jax.models import segmentation_discriminators
from semseg_jax.models import wide_resnet

_TRUNK = dict(width=2, blocks=(1, 1, 1, 1))
# Network and the shape of its input.
_NETWORKS = {
    "resnet18": (resnet.ResNet(18, output_stride=8, **_TRUNK), (3, 33, 40, 3)),
    "resnet50": (resnet.ResNet(50, output_stride=8, **_TRUNK), (3, 33, 40, 3)),
    "resnet50 under a frozen affine": (resnet.ResNet(
        50, output_stride=8, frozen_affine=True, **_TRUNK), (3, 33, 40, 3)),
    "wide resnet": (wide_resnet.WideResNet38(
        width=1, blocks=(1,) * 6), (3, 33, 22, 3)),
    "deeplabv2": (deeplab.DeepLabV2(
        5, 50, branches=(1, 2, 3), frozen_affine=True, used_branches=1,
        **_TRUNK), (2, 65, 52, 3)),
    "deeplabv3plus": (deeplab.DeepLabV3Plus(
        5, 18, features=4, fine_features=3, **_TRUNK), (2, 33, 26, 3)),
    "fpn encoder": (fpn_encoder.FPNEncoder(
        num_ws=3, latent_split=(1, 1), stem_width=4, blocks=(1, 1, 1, 1),
        fpn_channels=8, head_channels=8, style_dim=6), (3, 32, 32, 3)),
    "psp encoder": (psp_encoder.GradualStyleEncoder(
        num_ws=8, widths=(2, 3, 4, 6), units=(1, 2, 1, 1), style_dim=5),
                    (4, 32, 32, 3)),
    "pixel discriminator": (segmentation_discriminators.PixelDiscriminator(
        width=4), (2, 41, 65, 5))}


@pytest.mark.parametrize("name", _NETWORKS)
def test_all_but_frozen_parameters_get_a_gradient(name):
  module, shape = _NETWORKS[name]
  image = jax.random.normal(jax.random.key(0), shape)
  variables = jax.jit(module.init)(jax.random.key(1), image)
  options = {} if "discriminator" in name else {"train": True}

  @jax.jit
  def step(variables):
    def loss(params):
      outputs, changed = module.apply(
          {**variables, "params": params}, image, mutable=["batch_stats"],
          rngs={"dropout": jax.random.key(2)}, **options)
      return jnp.square(jax.tree.leaves(outputs)[0] - 1).mean(), changed

    return jax.grad(loss, has_aux=True)(variables["params"])

  gradients, changed = step(variables)
  if "backbone" not in gradients:
    gradients = {"backbone": gradients}
  groups = deeplab.parameter_groups(module, gradients)
  for (path, g), group in zip(
      jax.tree_util.tree_leaves_with_path(gradients), jax.tree.leaves(groups),
      strict=True):
    assert np.isfinite(g).all(), path
    assert (np.abs(g).max() > 0) == (group != "frozen"), path
    assert group in ("frozen", "backbone" if path[0].key == "backbone"
                     else "head"), path
  for path, leaf in jax.tree_util.tree_leaves_with_path(changed):
    if path[-1].key in ("count", "mean"):
      assert (leaf == 1 if path[-1].key == "count" else leaf.any()), path

"""Networks that compute in bfloat16 against themselves in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.models import deeplab
from semseg_jax.models import discriminators
from semseg_jax.models import fpn_encoder
from semseg_jax.models import perceptual
from semseg_jax.models import psp_encoder
from semseg_jax.models import residual_encoder
from semseg_jax.models import resnet
from semseg_jax.models import segmentation_discriminators
from semseg_jax.models import stylegan2

_TRUNK = dict(width=2, blocks=(1, 1, 1, 1))
# Network, shapes of its inputs, further arguments.
_NETWORKS = {
    "generator": (stylegan2.Generator(
        16, style_dim=8, mlp_layers=2, max_channels=8, label_channels=3),
                  [(3, 8)], {}),
    "image discriminator": (discriminators.ImageDiscriminator(
        8, max_channels=4), [(2, 8, 8, 3)], {}),
    "patch discriminator": (discriminators.PatchDiscriminator(width=4), [
        (2, 32, 32, 5)], {"update_stats": False}),
    "label discriminator": (segmentation_discriminators.ImageDiscriminator(
        width=4), [(3, 33, 40, 7)], {}),
    "deeplabv2": (deeplab.DeepLabV2(5, 50, branches=(1, 2, 3), **_TRUNK), [
        (2, 65, 52, 3)], {}),
    "deeplabv3plus": (deeplab.DeepLabV3Plus(3, 50, features=4, **_TRUNK), [
        (1, 64, 64, 3)], {}),
    "classifier": (resnet.Classifier(4, 18, **_TRUNK), [(2, 32, 32, 3)], {}),
    "psp encoder": (psp_encoder.GradualStyleEncoder(
        num_ws=3, widths=(2, 3, 4, 6), units=(1, 2, 1, 1), style_dim=5),
                    [(1, 16, 16, 3)], {}),
    "lpips": (perceptual.LPIPS("alex", (4,) * 5), [(2, 32, 32, 3)] * 2, {})}


@pytest.mark.parametrize("name", _NETWORKS)
def test_results_and_parameters_stay_float32_and_agree(name):
  module, shapes, options = _NETWORKS[name]
  inputs = [jax.random.normal(jax.random.key(i), shape)
            for i, shape in enumerate(shapes)]
  half = module.clone(dtype=jnp.bfloat16)
  variables = jax.jit(lambda key: half.init(key, *inputs, **options))(
      jax.random.key(9))
  assert jnp.bfloat16 not in {x.dtype for x in jax.tree.leaves(variables)}
  exact, rough = (jax.tree.leaves(jax.jit(
      lambda v, m=m: m.apply(v, *inputs, **options))(variables))
                  for m in (module, half))
  if name == "patch discriminator":
    assert rough[0].dtype == jnp.bfloat16  # a list of all maps
  else:
    assert rough[0].dtype == jnp.float32
  exact, rough = (np.asarray(x[0], np.float32) for x in (exact, rough))
  gap = np.abs(rough - exact).max() / np.abs(exact).max()
  assert 0 < gap < 0.1


@pytest.mark.parametrize("module", [
    _NETWORKS["psp encoder"][0],
    residual_encoder.ResidualEncoder(16, num_ws=3, style_dim=5, max_channels=4),
    fpn_encoder.FPNEncoder(
        num_ws=6, style_dim=5, stem_width=2, blocks=(1,) * 4, fpn_channels=4,
        head_channels=4),
], ids=lambda m: type(m).__name__)
def test_mean_latents_are_not_rounded(module):
  """An encoder starts from them, in the biases of its last layers."""
  image = jnp.zeros((1, 16, 16, 3))
  half = module.clone(dtype=jnp.bfloat16)
  variables = half.init(jax.random.key(0), image)

  def only_biases(path, x):
    names = [p.key for p in path]
    if not {"linear", "latents"} & set(names):
      return x
    return (jax.random.normal(jax.random.key(1), x.shape)
            if names[-1] == "bias" else jnp.zeros_like(x))

  variables["params"] = jax.tree_util.tree_map_with_path(
      only_biases, variables["params"])
  exact, rough = (jax.tree.leaves(m.apply(variables, image))
                  for m in (module, half))
  jax.tree.map(np.testing.assert_array_equal, exact, rough)

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax import interop
from semseg_jax.interop import stylegan2 as importer
from semseg_jax.models import discriminators
from semseg_jax.models import stylegan2

TAPS = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64


def random_variables(module, entries, example, **kwargs):
  """Variables of `module` and the state dict the original would save."""
  shapes = jax.eval_shape(
      lambda: module.init(jax.random.key(0), example, **kwargs))
  rng = np.random.default_rng(0)
  variables = jax.tree.map(
      lambda s: rng.normal(size=s.shape).astype(np.float32), shapes)
  return variables, importer.to_torch(entries, variables)


def generator_state(labels=2, size=16):
  sides = [2 ** i for i in range(2, size.bit_length())]
  module = stylegan2.Generator(
      size, style_dim=6, mlp_layers=2, label_channels=labels,
      channels=tuple((r, 2 + i % 4) for i, r in enumerate(sides)))
  variables, state = random_variables(
      module, importer.generator_entries(module), jnp.zeros((1, 6)))
  for j in range(len(sides) - 1):
    state[f"convs.{2 * j}.conv.blur.kernel"] = 4 * TAPS
    for head in ["rgb"] + ["seg"] * bool(labels):
      state[f"to_{head}s.{j}.upsample.kernel"] = 4 * TAPS
  return module, variables, state


def assert_same(module, variables, got):
  got_module, got_variables = got
  assert dict(getattr(got_module, "channels", None) or ()) == dict(
      getattr(module, "channels", None) or ())
  jax.tree.map(np.testing.assert_array_equal, got_variables, variables)


@pytest.mark.parametrize("labels", [0, 2])
def test_generator_round_trip(labels):
  module, variables, state = generator_state(labels)
  got = interop.from_torch("stylegan2/generator", state)
  assert_same(module, variables, got)
  assert (got[0].size, got[0].mlp_layers) == (16, 2)
  assert (got[0].style_dim, got[0].label_channels) == (6, labels)


@pytest.mark.parametrize(("size", "latents"), [(256, 14), (1024, 18)])
def test_generators_of_published_sizes_bring_their_mean_latent(size, latents):
  module, variables, state = generator_state(0, size)
  rows = np.broadcast_to(np.arange(6, dtype=np.float32), (latents, 6))
  for average in (rows, rows[0]):
    got = interop.from_torch(
        "stylegan2/generator", {**state, "latent_avg": average})
    assert (got[0].size, got[0].num_ws) == (size, latents)
    np.testing.assert_array_equal(got[1].pop("mean")["code"], rows[0])
    assert_same(module, variables, got)
  with pytest.raises(ValueError, match=r"latent_avg.*\[6\].*equal"):
    interop.from_torch("stylegan2/generator", {
        **state, "latent_avg": np.arange(12.0).reshape(2, 6)})


def test_image_discriminator_round_trip():
  module = discriminators.ImageDiscriminator(
      16, image_channels=1, channels=((16, 3), (8, 4), (4, 5)))
  variables, state = random_variables(
      module, importer.discriminator_entries(module),
      jnp.zeros((1, 16, 16, 1)))
  for i in (1, 2):
    state[f"convs.{i}.conv2.0.kernel"] = TAPS
    state[f"convs.{i}.skip.0.kernel"] = TAPS
  got = interop.from_torch("stylegan2/discriminator", state)
  assert_same(module, variables, got)
  assert (got[0].size, got[0].image_channels) == (16, 1)


@pytest.mark.parametrize("all_maps", [True, False])
def test_patch_discriminator_round_trip(all_maps):
  module = discriminators.PatchDiscriminator(
      width=3, num_layers=2, num_scales=2, all_maps=all_maps)
  variables, state = random_variables(
      module, importer.patch_discriminator_entries(module),
      jnp.zeros((1, 16, 16, 5)), update_stats=False)
  got = interop.from_torch("semantic_gan/patch_discriminator", state)
  assert_same(module, variables, got)
  assert got[0] == module
  flat = {"layer0.0.weight", "layer0.2.0.weight_orig", "layer0.6.weight"}
  assert all_maps != (flat <= set(state))


def changed(state, name):
  if name == "to_rgb1.bias":
    return {k: v for k, v in state.items() if k != name}
  return {**state, name: np.zeros((2, 3, 4), np.float32)}


@pytest.mark.parametrize("name", [
    "to_rgb1.bias", "convs.1.activate.bias", "convs.0.conv.blur.kernel",
    "convs.7.activate.bias", "noises.noise_2", "extra"])
def test_wrong_entries_are_named(name):
  _, _, state = generator_state()
  with pytest.raises(ValueError, match=re.escape(name[:8])):
    interop.from_torch("stylegan2/generator", changed(state, name))


def test_other_taps_are_an_error():
  _, _, state = generator_state()
  name = "to_segs.1.upsample.kernel"
  with pytest.raises(ValueError, match=name + ".*other taps"):
    interop.from_torch("stylegan2/generator", {**state, name: TAPS})

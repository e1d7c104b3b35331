import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.models import projected_discriminator as projected

KEY = jax.random.key(0)
CHANNELS = (24, 40, 112, 320)


def maps(n=4, size=32, scale=projected.EFFICIENTNET_RMS, seed=0):
  """Random maps of the root mean squares and strides of EfficientNet-Lite."""
  rng = np.random.default_rng(seed)
  return [jnp.asarray(s * rng.normal(size=(n, size >> i, size >> i, c)),
                      jnp.float32)
          for i, (s, c) in enumerate(zip(scale, CHANNELS, strict=True))]


def draw(module, *args, **kwargs):
  """Random variables; compiling the initializers would take longer."""
  shapes = jax.eval_shape(lambda: module.init(KEY, *args, **kwargs))
  rng = np.random.default_rng(0)
  return jax.tree.map(
      lambda s: rng.normal(size=s.shape).astype(np.float32), shapes)


@functools.cache
def projection():
  module = projected.Projection()
  return module, jax.jit(module.init)(KEY, maps(1))


@functools.cache
def heads(**options):
  module = projected.ProjectedDiscriminator(width=8, **options)
  rng = np.random.default_rng(0)
  mixed = [rng.normal(size=(4, n, n, 6)).astype(np.float32) for n in (16, 4)]
  return module, draw(module, mixed, update_stats=False), mixed


@functools.cache
def trained(module):
  return jax.jit(functools.partial(
      module.apply, update_stats=True, mutable=["spectral"]))


def score(module, variables, mixed, label=None):
  return trained(module)(variables, mixed, label)[0]


def test_mixed_maps_have_unit_variance():
  module, variables = projection()
  mixed = jax.jit(module.apply)(variables, maps())
  assert [x.shape for x in mixed] == [
      (4, 32, 32, 48), (4, 16, 16, 48), (4, 8, 8, 64), (4, 4, 4, 64)]
  # Enlarged noise loses variance; what images have is smoother.
  for x in mixed:
    assert 0.5 < float(x.std()) < 1.5


def test_mixing_follows_from_its_seed_alone():
  module, variables = projection()
  again, other = jax.jit(lambda key: (
      module.init(key, maps(1)), module.clone(seed=1).init(key, maps(1))))(
          jax.random.key(1))
  assert set(variables) == {"projection"}
  jax.tree.map(np.testing.assert_array_equal, again, variables)
  same = jax.tree.map(lambda a, b: bool((a == b).all()), other, variables)
  assert not any(jax.tree.leaves(same))


def test_fine_maps_hear_of_the_coarse_but_not_the_other_way():
  module, variables = projection()
  mix = jax.jit(module.apply)
  before = mix(variables, maps())
  for scale in range(4):
    changed = maps()
    changed[scale] = changed[scale] + 1
    moved = [bool((a != b).any()) for a, b in zip(
        before, mix(variables, changed), strict=True)]
    assert moved == [i <= scale for i in range(4)]


def test_maps_of_odd_sizes():
  module, variables = projection()
  odd = [x[:, :n, :n] for x, n in zip(maps(), (27, 14, 7, 4), strict=True)]
  mixed = jax.eval_shape(module.apply, variables, odd)
  assert [x.shape[1:3] for x in mixed] == [(27, 27), (14, 14), (7, 7), (4, 4)]


def test_another_number_of_maps_is_refused():
  module, variables = projection()
  with pytest.raises(ValueError, match="3 maps do not fit the widths"):
    module.apply(variables, maps()[:3])


def test_score_maps_by_scale():
  module, variables, mixed = heads()
  scales = score(module, variables, mixed)
  assert [[x.shape for x in scale] for scale in scales] == [
      [(4, 8, 8, 8), (4, 4, 4, 8), (4, 4, 4, 1)],
      [(4, 4, 4, 8), (4, 4, 4, 8), (4, 4, 4, 1)]]


def test_scores_are_bounded_by_the_spectral_norm():
  module, variables, mixed = heads()
  for _ in range(30):
    _, advanced = trained(module)(variables, mixed, None)
    variables = {**variables, **advanced}
  for name, layers in variables["params"].items():
    for layer, params in layers.items():
      u, v = (variables["spectral"][name][layer][k] for k in "uv")
      kernel = params["kernel"]
      largest = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]))[1][0]
      np.testing.assert_allclose(
          np.einsum("hwio,hwi,o->", kernel, v, u), largest, rtol=1e-2)
  # Kernels enter by their direction alone.
  larger = {**variables, "params": jax.tree.map(
      lambda x: 7 * x if x.ndim == 4 else x, variables["params"])}
  for a, b in zip(score(module, variables, mixed),
                  score(module, larger, mixed), strict=True):
    np.testing.assert_allclose(a[-1], b[-1], atol=1e-4)


def test_power_iteration_moves_only_in_training():
  module, variables, mixed = heads()
  _, same = jax.jit(functools.partial(
      module.apply, update_stats=False, mutable=["spectral"]))(
          variables, mixed)
  jax.tree.map(np.testing.assert_array_equal, same["spectral"],
               variables["spectral"])
  moved = jax.tree.map(
      lambda a, b: bool((a != b).any()),
      trained(module)(variables, mixed, None)[1]["spectral"],
      variables["spectral"])
  assert all(jax.tree.leaves(moved))


def test_minibatch_deviation_sees_equal_images():
  plain, deviation = heads(), heads(minibatch_stddev=True)
  for (module, variables, mixed), depends in ((plain, False),
                                              (deviation, True)):
    alike = [jnp.broadcast_to(x[:1], x.shape) for x in mixed]
    gaps = [float(jnp.abs(a[-1][0] - b[-1][0]).max()) for a, b in zip(
        score(module, variables, mixed), score(module, variables, alike),
        strict=True)]
    assert (min(gaps) > 1e-3) if depends else (max(gaps) < 1e-5)


def test_labels_are_joined_at_every_scale():
  module, _, mixed = heads()
  label = jax.random.normal(KEY, (4, 32, 32, 3))
  variables = draw(module, mixed, label, update_stats=False)
  assert variables["params"]["scale1"]["conv0"]["kernel"].shape[2] == 6 + 3

  @jax.jit
  def gradients(label):
    return [jax.grad(lambda x, i=i: module.apply(
        variables, mixed, x, update_stats=True,
        mutable=["spectral"])[0][i][-1].sum())(label) for i in range(2)]

  for gradient in gradients(label):
    assert float(jnp.abs(gradient).min()) > 0

"""Inversion: independence of images, one compile, segments and starts."""

import pathlib
import subprocess
import sys

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax import inversion
from semseg_jax.models import stylegan2

_NUM_WS, _WIDTH, _SIZE = 4, 6, 8
_SHAPES = ((4, 4), (8, 8))
_TOL = dict(rtol=2e-4, atol=2e-4)


def _generate(frozen, latents, noise):
  x = jnp.tanh(jnp.einsum("nld,ldhwc->nhwc", latents, frozen["basis"]))
  coarse = jnp.repeat(jnp.repeat(noise[0], 2, 1), 2, 2)
  return x + 0.1 * noise[1] + 0.1 * coarse, x @ frozen["label"]


def _networks(encode=True):
  def encoder(frozen, image):
    return jnp.einsum("nhwc,ldhwc->nld", image, frozen["basis"]) / 40
  return inversion.Networks(
      num_ws=_NUM_WS,
      noise_shapes=_SHAPES,
      generate=_generate,
      features=lambda frozen, image: (jnp.tanh(image @ frozen["label"]),),
      distance=lambda frozen, a, b: jnp.mean((a[0] - b[0])**2, (1, 2, 3)),
      encode=encoder if encode else None)


@pytest.fixture(scope="module")
def frozen():
  rng = np.random.default_rng(0)
  basis = rng.normal(size=(_NUM_WS, _WIDTH, _SIZE, _SIZE, 3)) / 4
  return dict(basis=jnp.asarray(basis, jnp.float32),
              label=jnp.asarray(rng.normal(size=(3, 5)), jnp.float32))


@pytest.fixture(scope="module")
def targets():
  rng = np.random.default_rng(1)
  return rng.uniform(-1, 1, (65, _SIZE, _SIZE, 3)).astype(np.float32)


_KEY = jax.random.key(7)
_MEAN = np.linspace(-1, 1, _WIDTH, dtype=np.float32)


def _assert_same(a, b):
  jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **_TOL), a, b)


def test_one_compilation_for_any_number_of_images(frozen, targets):
  inverter = inversion.Inverter(
      _networks(), inversion.Options(steps=2, snapshots=(1,)), batch_size=8)
  for n in (1, 7, 65):
    result = inverter.run(frozen, targets[:n], np.arange(n), _KEY)
    assert result.latents.shape == (n, _NUM_WS, _WIDTH)
    assert [x.shape for x in result.noise] == [(n, 4, 4, 1), (n, 8, 8, 1)]
    assert result.losses["total"].shape == (2, n)
    image, logits = inverter.render(frozen, result.latents, result.noise)
    assert image.shape == (n, _SIZE, _SIZE, 3)
    assert logits.shape == (n, _SIZE, _SIZE, 5)
  assert inverter.compilations() == dict(begin=1, advance=1, render=1)


@pytest.fixture(scope="module")
def whole(frozen, targets):
  """An inverter of threes and its result for nine images."""
  options = inversion.Options(steps=15, snapshots=(0, 4, 15))
  inverter = inversion.Inverter(_networks(), options, batch_size=3)
  return inverter, inverter.run(frozen, targets[:9], np.arange(9), _KEY)


@settings(max_examples=15, deadline=None)
@given(rows=st.lists(st.integers(0, 8), min_size=1, max_size=7))
def test_result_does_not_depend_on_neighbours(frozen, targets, whole, rows):
  inverter, expected = whole
  rows = np.array(rows)
  got = inverter.run(frozen, targets[rows], rows, _KEY)
  losses = {k: v[:, rows] for k, v in expected.losses.items()}
  pick = jax.tree.map(lambda x: x[rows], expected._replace(losses={}))
  _assert_same(got, pick._replace(losses=losses))


@pytest.mark.parametrize("batch_size", [1, 4])
def test_result_does_not_depend_on_chunk_size(
    frozen, targets, whole, batch_size):
  inverter, expected = whole
  other = inversion.Inverter(_networks(), inverter.options, batch_size)
  _assert_same(
      other.run(frozen, targets[:9], np.arange(9), _KEY), expected)


def test_a_broken_image_leaves_the_others_alone(frozen, targets, whole):
  inverter, expected = whole
  broken = targets[:3].copy()
  broken[1] = np.nan
  got = inverter.run(frozen, broken, np.arange(3), _KEY)
  assert np.isnan(got.latents[1]).all()
  _assert_same(got.latents[[0, 2]], expected.latents[[0, 2]])


@pytest.mark.parametrize("segment", [4, 50])
def test_segments_change_nothing(frozen, targets, whole, segment):
  _, expected = whole
  options = inversion.Options(steps=15, snapshots=(0, 4, 15), segment=segment)
  inverter = inversion.Inverter(_networks(), options, batch_size=3)
  got = inverter.run(frozen, targets[:9], np.arange(9), _KEY)
  _assert_same(got, expected)
  assert inverter.compilations()["advance"] == 1


def test_chunks_are_the_parts_of_the_whole(frozen, targets, whole):
  inverter, expected = whole
  chunks = list(inverter.chunks(frozen, targets[:8], np.arange(8), _KEY))
  assert [len(c.latents) for c in chunks] == [3, 3, 2]
  _assert_same(
      np.concatenate([c.latents for c in chunks]), expected.latents[:8])


def test_snapshots_hold_start_middle_and_end(frozen, targets, whole):
  inverter, result = whole
  latents, noise = result.snapshots[0]
  start = _networks().encode(frozen, targets[:9])
  np.testing.assert_allclose(latents, start, **_TOL)
  _assert_same(result.snapshots[15], (result.latents, result.noise))
  # An image's snapshot renders to the loss recorded at the same step.
  image, _ = inverter.render(frozen, *result.snapshots[4])
  np.testing.assert_allclose(
      ((image - targets[:9])**2).mean((1, 2, 3)), result.losses["mse"][4],
      rtol=1e-4)
  assert np.abs(noise[0].mean((1, 2, 3))).max() > 0.01  # as sampled


def test_first_rate_is_zero_and_noise_is_normalised(frozen, targets):
  options = inversion.Options(steps=12, snapshots=(0, 1, 2))
  inverter = inversion.Inverter(_networks(), options, batch_size=2)
  result = inverter.run(frozen, targets[:2], np.arange(2), _KEY)
  assert inverter.learning_rates[0] == 0
  assert inverter.learning_rates.max() == np.float32(0.1)
  np.testing.assert_array_equal(
      result.snapshots[1][0], result.snapshots[0][0])
  assert np.abs(result.snapshots[2][0] - result.snapshots[1][0]).max() > 0.01
  for maps in result.snapshots[1][1]:
    np.testing.assert_allclose(maps.mean((1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(
        maps.std((1, 2, 3), ddof=1), 1, rtol=1e-5)


def test_total_is_the_weighted_sum(frozen, targets, whole):
  _, result = whole
  weights = inversion.Weights()._asdict()
  total = sum(weights[k] * v for k, v in result.losses.items() if k != "total")
  np.testing.assert_allclose(result.losses["total"], total, rtol=1e-5)


@pytest.mark.parametrize("space", ["w", "w+"])
def test_mean_start(frozen, targets, space):
  options = inversion.Options(
      steps=10, start="mean", space=space, snapshots=(0,))
  inverter = inversion.Inverter(_networks(encode=False), options, 2)
  result = inverter.run(frozen, targets[:2], np.arange(2), _KEY, mean=_MEAN)
  latents = result.snapshots[0][0]
  np.testing.assert_allclose(latents, np.broadcast_to(_MEAN, latents.shape))
  spread = np.abs(result.latents - result.latents[:, :1]).max()
  assert spread == 0 if space == "w" else spread > 0.01
  assert "encoder" not in result.losses
  expected = (result.losses["perceptual"] + 0.1 * result.losses["mse"]
              + 100 * result.losses["noise"] + 0.01 * result.losses["start"])
  np.testing.assert_allclose(result.losses["total"], expected, rtol=1e-5)


def test_noise_can_stay_as_sampled(frozen, targets):
  options = inversion.Options(steps=3, optimize_noise=False, snapshots=(0,))
  inverter = inversion.Inverter(_networks(), options, 2)
  result = inverter.run(frozen, targets[:2], np.arange(2), _KEY)
  _assert_same(result.noise, result.snapshots[0][1])
  assert "noise" not in result.losses


def test_given_noise_is_used_and_stays_the_callers(frozen, targets):
  given_noise = tuple(jnp.ones((2, h, w, 1)) * jnp.arange(w)[:, None]
                      for h, w in _SHAPES)
  options = inversion.Options(steps=1, snapshots=(0,))
  inverter = inversion.Inverter(_networks(), options, 2)
  result = inverter.run(
      frozen, targets[:2], np.arange(2), _KEY, noise=given_noise)
  _assert_same(result.snapshots[0][1], given_noise)


def test_zero_steps_keep_the_start(frozen, targets):
  inverter = inversion.Inverter(_networks(), inversion.Options(steps=0), 2)
  result = inverter.run(frozen, targets[:3], np.arange(3), _KEY)
  np.testing.assert_allclose(
      result.latents, _networks().encode(frozen, targets[:3]), **_TOL)
  assert result.losses == {}


def test_initial_noise_follows_the_index_alone(frozen, targets):
  inverter = inversion.Inverter(_networks(), inversion.Options(steps=0), 2)
  run = lambda rows: inverter.run(frozen, targets[:2], rows, _KEY).noise[1]
  a, b = run(np.array([5, 9])), run(np.array([9, 3]))
  np.testing.assert_array_equal(a[1], b[0])
  assert np.abs(a[0] - a[1]).max() > 1


def test_larger_images_are_reduced_for_the_loss(frozen, targets):
  options = inversion.Options(steps=1, loss_size=4, snapshots=(0,))
  inverter = inversion.Inverter(_networks(), options, 2)
  result = inverter.run(frozen, targets[:2], np.arange(2), _KEY)
  image, _ = inverter.render(frozen, *result.snapshots[0])
  halve = lambda x: x.reshape(2, 4, 2, 4, 2, 3).mean((2, 4))
  expected = ((halve(image) - halve(targets[:2]))**2).mean((1, 2, 3))
  np.testing.assert_allclose(result.losses["mse"][0], expected, rtol=1e-4)


def test_per_image_undoes_batch_statistics(frozen, targets):
  networks = _networks()

  def encode(frozen, image):
    return networks.encode(frozen, image) + image.mean()

  x = targets[:3]
  alone = inversion.per_image(encode)(frozen, x)
  expected = np.concatenate([encode(frozen, x[i:i + 1]) for i in range(3)])
  np.testing.assert_allclose(alone, expected, rtol=1e-5, atol=1e-6)
  assert np.abs(alone - encode(frozen, x)).max() > 1e-3


def test_mean_latent():
  z = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
  mean = inversion.mean_latent(lambda frozen, z: z @ frozen, np.eye(3) * 2, z)
  np.testing.assert_allclose(mean, 2 * z.mean(0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mixed", [
    dict(start="median"), dict(space="z"), dict(space="w"), dict(steps=-1),
    dict(segment=0), dict(rampup=0.0),
    dict(steps=5, snapshots=(6,))])
def test_wrong_options_are_named(mixed):
  with pytest.raises(ValueError, match=list(mixed)[-1]):
    inversion.Options(**mixed)


def test_wrong_inputs_are_named(frozen, targets):
  with pytest.raises(ValueError, match="networks.encode is None"):
    inversion.Inverter(_networks(encode=False), inversion.Options(), 1)
  inverter = inversion.Inverter(_networks(), inversion.Options(steps=1), 1)
  run = lambda x, i, **kw: inverter.run(frozen, x, i, _KEY, **kw)
  with pytest.raises(ValueError, match="uint8"):
    run(targets[:1].astype(np.uint8), [0])
  with pytest.raises(ValueError, match="square"):
    run(targets[:1, :4], [0])
  with pytest.raises(ValueError, match="one index"):
    run(targets[:2], [0])
  with pytest.raises(ValueError, match="start='mean'"):
    run(targets[:1], [0], mean=_MEAN)


@pytest.fixture(scope="module")
def stylegan():
  """A tiny generator and a pixel distance: (networks, variables)."""
  module = stylegan2.Generator(
      size=16, style_dim=8, mlp_layers=1, label_channels=3,
      channels=((4, 8), (8, 8), (16, 8)))
  variables = jax.jit(module.init)(jax.random.key(0), jnp.zeros((1, 8)))
  # The initial strength is 0, and the maps would have no effect.
  variables = jax.tree.map_with_path(
      lambda path, x: x + 0.1 if "noise_strength" in str(path) else x,
      variables)

  def generate(variables, latents, noise):
    sample, _ = module.apply(variables, latents, noise, method="synthesize")
    return sample.image, sample.logits

  networks = inversion.Networks(
      num_ws=module.num_ws,
      noise_shapes=module.noise_shapes,
      generate=generate,
      features=lambda variables, image: image,
      distance=lambda variables, a, b: jnp.mean((a - b)**2, (1, 2, 3)))
  return networks, variables


def test_the_loss_of_a_real_generator_falls(stylegan):
  networks, variables = stylegan
  rng = np.random.default_rng(3)
  noise = tuple(
      rng.normal(size=(2, *shape, 1)).astype(np.float32)
      for shape in networks.noise_shapes)
  latents = rng.normal(size=(2, networks.num_ws, 8)).astype(np.float32)
  options = inversion.Options(steps=60, start="mean")
  inverter = inversion.Inverter(networks, options, 2)
  targets, _ = inverter.render(variables, latents, noise)
  result = inverter.run(
      variables, targets, np.arange(2), _KEY, mean=np.zeros(8, np.float32))
  mse = result.losses["mse"]
  assert (mse[-1] < 0.3 * mse[0]).all(), (mse[0], mse[-1])


_SHARDED = """
import jax
jax.config.update("jax_num_cpu_devices", 4)
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
import numpy as np
from semseg_jax import inversion
from semseg_jax.models import stylegan2

module = stylegan2.Generator(
    size=8, style_dim=8, mlp_layers=1, label_channels=2,
    channels=((4, 4), (8, 4)))
variables = jax.jit(module.init)(jax.random.key(0), jnp.zeros((1, 8)))

def generate(variables, latents, noise):
  sample, _ = module.apply(variables, latents, noise, method="synthesize")
  return sample.image, sample.logits

networks = inversion.Networks(
    module.num_ws, module.noise_shapes, generate,
    features=lambda variables, image: image,
    distance=lambda variables, a, b: jnp.mean((a - b)**2, (1, 2, 3)),
    encode=lambda variables, image: jnp.broadcast_to(
        image.mean((1, 2))[:, None, :1], (len(image), module.num_ws, 8)))
mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
data = NamedSharding(mesh, P("data"))
targets = np.random.default_rng(0).uniform(
    -1, 1, (10, 8, 8, 3)).astype(np.float32)
args = targets, np.arange(10), jax.random.key(1)
results = []
for sharding in None, data:
  inverter = inversion.Inverter(
      networks, inversion.Options(steps=8, segment=3), 8, sharding)
  results.append(inverter.run(variables, *args))
  assert inverter.compilations()["advance"] == 1
jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3),
    *results)
chunk = targets[:8], np.arange(8), jax.random.key(1)
program = inverter.lower_step(variables, *chunk).compile().as_text()
assert "num_partitions=4" in program
for name in (
    "all-reduce", "all-gather", "all-to-all", "collective-permute",
    "reduce-scatter"):
  assert name not in program, name
print("no collectives")
"""


def test_a_sharded_search_has_no_collectives():
  root = pathlib.Path(__file__).resolve().parents[1]
  done = subprocess.run(
      [sys.executable, "-c", _SHARDED], cwd=root, capture_output=True,
      text=True, timeout=300, check=False)
  assert done.returncode == 0, done.stderr[-3000:]
  assert "no collectives" in done.stdout

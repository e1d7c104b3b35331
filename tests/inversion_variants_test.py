"""Inversion with another optimiser, fresh noise and the best latents."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from semseg_jax import inversion
from semseg_jax.training import optimizers

NUM_WS, WIDTH, SIZE = 2, 6, 4
KEY = jax.random.key(7)
MEAN = np.linspace(-1, 1, WIDTH, dtype=np.float32)
WEIGHTS = inversion.Weights(
    perceptual=0.0, mse=1.0, noise=0.0, encoder=0.0, start=0.0)


@pytest.fixture(scope="module")
def frozen():
  rng = np.random.default_rng(0)
  return {"basis": jnp.asarray(
      rng.normal(size=(NUM_WS, WIDTH, SIZE, SIZE, 3)) / 4, jnp.float32)}


@pytest.fixture(scope="module")
def targets():
  rng = np.random.default_rng(1)
  return rng.uniform(-1, 1, (3, SIZE, SIZE, 3)).astype(np.float32)


def inverter(noise=0.0, batch_size=2, **fields):
  def generate(frozen, latents, maps):
    image = jnp.einsum("nld,ldhwc->nhwc", latents, frozen["basis"])
    return image + noise * maps[0], None

  networks = inversion.Networks(
      num_ws=NUM_WS, noise_shapes=((SIZE, SIZE),), generate=generate,
      features=lambda frozen, image: image,
      distance=lambda frozen, a, b: jnp.zeros(len(a)))
  return inversion.Inverter(networks, inversion.Options(
      **dict(start="mean", weights=WEIGHTS, optimize_noise=False) | fields),
      batch_size=batch_size)


def test_given_optimiser_moves_the_latents(frozen, targets):
  tool = inverter(steps=3, optimizer=optax.sgd(0.5), snapshots=(0, 1, 3))
  result = tool.run(frozen, targets, np.arange(3), KEY, mean=MEAN)
  start = result.snapshots[0][0]

  def loss(latents):
    image = jnp.einsum("nld,ldhwc->nhwc", latents, frozen["basis"])
    return jnp.square(image - targets).mean((1, 2, 3)).sum()

  np.testing.assert_allclose(
      result.snapshots[1][0], start - 0.5 * jax.grad(loss)(start), rtol=1e-4,
      atol=1e-6)


def test_ranger_centres_each_image_alone(frozen, targets):
  tool = lambda: inverter(steps=8, start_noise=0.3,
                          optimizer=optimizers.ranger(0.1, output_axis=0))
  both = tool().run(frozen, targets, np.arange(3), KEY, mean=MEAN)
  alone = tool().run(frozen, targets[2:], np.arange(2, 3), KEY, mean=MEAN)
  np.testing.assert_allclose(
      both.latents[2:], alone.latents, rtol=1e-4, atol=1e-5)
  assert (both.losses["mse"][-1] < both.losses["mse"][0]).all()


def test_start_noise_is_each_images_own(frozen, targets):
  result = inverter(steps=0, start_noise=0.5).run(
      frozen, targets, np.arange(3), KEY, mean=MEAN)
  offset = result.latents - MEAN
  assert 0.2 < offset.std() < 0.8
  assert len(np.unique(offset.round(5))) == offset.size


def test_best_codes_are_those_after_the_best_due_step(frozen, targets):
  # A rate so high that the loss grows: the first due step is the best one.
  tool = inverter(steps=6, optimizer=optax.sgd(60.0), best_every=2,
                  snapshots=(2, 4, 6), segment=4)
  result = tool.run(frozen, targets, np.arange(3), KEY, mean=MEAN)
  due = result.losses["total"][1::2]  # measured before steps 2, 4, 6
  expected = np.stack([
      result.snapshots[2 * (int(due[:, i].argmin()) + 1)][0][i]
      for i in range(3)])
  np.testing.assert_array_equal(result.latents, expected)
  assert (due[0] < due[-1]).all()


def test_fresh_noise_differs_by_step_and_image_not_by_chunk(frozen, targets):
  tool = lambda: inverter(noise=1.0, steps=3, optimizer=optax.sgd(0.0),
                          fresh_noise=True)
  both = tool().run(frozen, targets, np.arange(3), KEY, mean=MEAN)
  assert len(np.unique(both.losses["mse"])) == 9
  alone = tool().run(frozen, targets[2:], np.arange(2, 3), KEY, mean=MEAN)
  np.testing.assert_allclose(
      both.losses["mse"][:, 2], alone.losses["mse"][:, 0], rtol=1e-5)


@pytest.fixture(scope="module")
def uneven(frozen, targets):
  """Six images: every second one is far from all that can be generated."""
  latents = MEAN + np.random.default_rng(2).normal(size=(NUM_WS, WIDTH))
  generated = np.einsum("ld,ldhwc->hwc", latents, frozen["basis"])
  far = np.array([0.0, 2.0, 0.0, 2.0, 0.0, 1.0])[:, None, None, None]
  return (generated + far * targets[[0, 1, 2, 2, 1, 0]]).astype(np.float32)


STOPPING = dict(steps=24, optimizer=optax.sgd(2.0), stop_every=3,
                stop_below=0.1, snapshots=(0, 3, 6, 9, 12, 15, 18, 21, 24))


@pytest.mark.parametrize("segment", [1, 50])
def test_stopped_images_stay_and_the_others_go_on(frozen, uneven, segment):
  tool = inverter(batch_size=6, segment=segment, **STOPPING)
  result = tool.run(frozen, uneven, np.arange(6), KEY, mean=MEAN)
  endless = inverter(batch_size=6, **STOPPING | dict(stop_every=0)).run(
      frozen, uneven, np.arange(6), KEY, mean=MEAN)
  assert (result.steps < 24).tolist() == [False, True] * 3
  # A chunk of six and one of three, its half.
  assert tool.compilations()["advance"] == 2
  for i, n in enumerate(result.steps):
    np.testing.assert_allclose(
        result.latents[i], endless.snapshots[n][0][i], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        result.losses["mse"][:n, i], endless.losses["mse"][:n, i], rtol=1e-4,
        atol=1e-7)
    assert (result.losses["mse"][n:, i] == result.losses["mse"][n - 1, i]).all()
    # It stopped when it was due, and not before.
    total = endless.losses["total"][2:n:3, i]
    falls = total[1:] <= 0.9 * total[:-1]
    assert falls[:-1].all()
    assert falls[-1] == (n == 24)
    np.testing.assert_array_equal(
        result.snapshots[24][0][i], result.latents[i])


@pytest.mark.parametrize("batch_size", [1, 4])
def test_stopping_does_not_depend_on_the_chunk(frozen, uneven, batch_size):
  args = frozen, uneven, np.arange(6), KEY
  expected = inverter(batch_size=6, **STOPPING).run(*args, mean=MEAN)
  got = inverter(batch_size=batch_size, **STOPPING).run(*args, mean=MEAN)
  np.testing.assert_array_equal(got.steps, expected.steps)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(
      a, b, rtol=1e-4, atol=1e-6), got, expected)


def test_a_broken_image_stops(frozen, uneven):
  broken = uneven[:2].copy()
  broken[0] = np.nan
  result = inverter(**STOPPING).run(
      frozen, broken, np.arange(2), KEY, mean=MEAN)
  assert result.steps[0] == 3
  assert np.isfinite(result.latents[1]).all()


@pytest.mark.parametrize(("fields", "said"), [
    (dict(stop_every=-1), "stop_every is -1"),
    (dict(stop_below=1.0), "stop_below is 1.0"),
    (dict(best_every=7, steps=6), "best_every is 7"),
    (dict(fresh_noise=True, optimize_noise=True), "fresh_noise"),
])
def test_options_that_do_not_fit(fields, said):
  with pytest.raises(ValueError, match=said):
    inversion.Options(start="mean", **fields)

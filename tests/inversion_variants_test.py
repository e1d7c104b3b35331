"""Inversion with another optimizer, fresh noise and the best latents."""

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


@pytest.mark.parametrize(("fields", "said"), [
    (dict(best_every=7, steps=6), "best_every is 7"),
    (dict(fresh_noise=True, optimize_noise=True), "fresh_noise"),
])
def test_options_that_do_not_fit(fields, said):
  with pytest.raises(ValueError, match=said):
    inversion.Options(start="mean", **fields)

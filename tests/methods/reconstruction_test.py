"""The joint GAN with an encoder: G has to reconstruct the real images, too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax import stages
from semseg_jax.methods import gan
from semseg_jax.methods.common import perceptual as perceptual_lib
from semseg_jax.methods.semantic_gan import encoder
from semseg_jax.training import checkpoint

PIXELS = perceptual_lib.Perceptual(
    "pixels", dict, lambda variables, image: image,
    lambda variables, a, b: jnp.square(a - b).mean((1, 2, 3)))
FIELDS = {"gan.reconstruction.perceptual_weight": 1.0, "data.num_labeled": 0}


@pytest.fixture(scope="module")
def trained(toy_config):
  """(config, stage, first state, jitted step)."""
  config = toy_config(**FIELDS)
  stage = gan.make(config, None, perceptual=PIXELS)
  frozen = stage.load_frozen()
  state = jax.jit(stage.init)(jax.random.key(0), frozen)

  @jax.jit
  def step(state, batch, key):
    return stage.train_step(
        state, frozen, batch, stage.rngs(key, "reconstruction"),
        phase="reconstruction")

  return config, stage, state, step


def changed(before, after):
  return jax.tree.leaves(jax.tree.map(
      lambda a, b: bool((a != b).any()), before, after))


@pytest.mark.parametrize(("changes", "message"), [
    ({"gan.batch_size": 1}, "one image in each of 1 parts"),
    ({"gan.batch_size": 4, "num_microbatches": 4,
      "gan.path_length_weight": 0.0}, "one image in each of 4"),
    ({"gan.batch_size": 8, "num_microbatches": 8,
      "gan.path_length_weight": 2.0, "gan.path_batch_shrink": 2},
     "config.gan.path_batch_shrink = 4 does not split"),
])
def test_parts_that_are_too_small(toy_config, changes, message):
  with pytest.raises(ValueError, match=message):
    gan.make(toy_config(**(FIELDS | changes)), None, perceptual=PIXELS)


def test_every_so_many_iterations_before_the_average(toy_config):
  phases = lambda step, **c: gan.make(toy_config(**(FIELDS | c)), None,
                                      perceptual=PIXELS).phases(step)
  assert phases(1, **{"gan.path_length_weight": 0.0}) == (
      "d", "g", "reconstruction", "ema")
  rare = {"gan.reconstruction.every": 2, "gan.path_length_weight": 0.0}
  assert "reconstruction" in phases(2, **rare)
  assert "reconstruction" not in phases(1, **rare)
  assert "reconstruction" not in phases(
      1, **{"gan.reconstruction.perceptual_weight": 0.0})


def test_generator_and_encoder_learn_to_reconstruct(trained, toy_batch):
  config, _, state, step = trained
  batch, first = toy_batch(config), state
  errors = []
  for i in range(12):
    state, metrics = step(state, batch, jax.random.key(i))
    errors.append(float(metrics["g/reconstruction_mse"]))
  assert np.mean(errors[-3:]) < 0.9 * np.mean(errors[:3])
  assert any(changed(first.generator["mapping0"], state.generator["mapping0"]))
  assert any(changed(first.encoder["params"], state.encoder["params"]))
  assert any(changed(first.encoder["batch_stats"],
                     state.encoder["batch_stats"]))
  assert not any(changed(first.image_discriminator, state.image_discriminator))
  # The average waits for the iteration's end.
  assert not any(changed(first.ema, state.ema))


def test_stage_encoder_goes_on_from_the_encoder_beside_the_generator(
    trained, toy_config, tmp_path):
  config, _, state, _ = trained
  with checkpoint.Checkpoints(tmp_path / "gan/ckpt") as checkpoints:
    checkpoints.save(1, state, {})
  stage = encoder.make(toy_config(**FIELDS, **{"encoder.mean_start": True}),
                       tmp_path, perceptual=PIXELS)
  first = jax.jit(stage.init)(jax.random.key(5), stage.load_frozen())
  jax.tree.map(np.testing.assert_array_equal, first.encoder, state.encoder)


@pytest.mark.slow
def test_resume_is_exact(trained, resumed):
  config, stage, state, _ = trained
  resumed(stage, config, state, ("reconstruction", "ema"))


def test_another_distance_is_another_run(toy_config):
  """Only where the generator is trained with it."""
  blocks = lambda **c: stages.relevant(toy_config(**c), "gan")
  assert "perceptual" in blocks(**FIELDS)
  assert "perceptual" not in blocks(**{"data.num_labeled": 0})


def test_needs_a_distance_from_elsewhere(toy_config):
  with pytest.raises(ValueError, match=r"perceptual.kind to 'efficientnet'"):
    gan.make(toy_config(**FIELDS, **{"perceptual.kind": "discriminator"}), None)

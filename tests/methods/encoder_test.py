"""The encoder's two optimizers, batch normalization and perceptual distance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.methods.common import networks
from semseg_jax.methods.common import perceptual
from semseg_jax.methods.semantic_gan import encoder

PIXELS = perceptual.Perceptual(
    "pixels", dict, lambda v, x: x.astype(jnp.float32),
    lambda v, a, b: jnp.square(a - b).mean((1, 2, 3)))


def frozen_of(config):
  generator = networks.generator(config)
  return {"generator": jax.jit(generator.init)(
      jax.random.key(3), jnp.zeros((1, generator.style_dim))),
      "perceptual": {}}


@pytest.fixture(scope="module")
def fpn(toy_config):
  """(config, stage, frozen, first state, jitted step)."""
  config = toy_config(**{"encoder.unlabeled_clip": 1e-3})
  stage = encoder.make(config, None, perceptual=PIXELS)
  frozen = frozen_of(config)
  state = jax.device_get(jax.jit(stage.init)(jax.random.key(0), frozen))
  return config, stage, frozen, state, jax.jit(
      stage.train_step, static_argnames="phase")


def test_without_a_validation_split_nothing_is_validated(toy_config):
  stage = encoder.make(
      toy_config(**{"data.validation": ""}), None, perceptual=PIXELS)
  assert (stage.validate, stage.sample) == (None, None)


def step(fpn, batch, state, phase):
  _, stage, frozen, _, run = fpn
  return jax.device_get(run(
      state, frozen, batch, stage.rngs(jax.random.key(1), phase),
      phase=phase))


def test_each_stream_has_its_own_optimiser(fpn, toy_batch):
  config, stage, _, state, _ = fpn
  assert stage.phases(0) == stage.phases(7) == ("unlabeled", "labeled")
  first, metrics = step(fpn, toy_batch(config), state, "unlabeled")
  assert first.step == 0
  assert first.optimizers["unlabeled"].count == 1
  jax.tree.map(np.testing.assert_array_equal, first.optimizers["labeled"],
               state.optimizers["labeled"])
  assert set(metrics) == {
      "unlabeled/mse", "unlabeled/perceptual", "unlabeled/loss",
      "unlabeled/gradient_norm", "generated/latent", "learning_rate"}
  # Clipped: the first moment is 0.05 of a gradient no longer than 1e-3
  # (centralisation only shortens it).
  norm = lambda tree: np.sqrt(sum(
      np.square(x).sum() for x in jax.tree.leaves(tree)))
  assert metrics["unlabeled/gradient_norm"] > 1e-3
  assert 0 < norm(first.optimizers["unlabeled"].mu) <= 0.05 * 1e-3 * 1.001

  second, metrics = step(fpn, toy_batch(config), first, "labeled")
  assert second.step == 1
  assert second.optimizers["labeled"].count == 1
  jax.tree.map(np.testing.assert_array_equal, second.optimizers["unlabeled"],
               first.optimizers["unlabeled"])
  assert metrics["labeled/cross_entropy"] > 0
  # Batch normalization saw both streams.
  for a, b in ((state, first), (first, second)):
    assert (a.encoder["batch_stats"]["fpn"]["stem_bn"]["mean"]
            != b.encoder["batch_stats"]["fpn"]["stem_bn"]["mean"]).any()


def test_official_code_keeps_batch_statistics_after_the_first_step(
    fpn, toy_config, toy_batch):
  config, _, frozen, state, _ = fpn
  official = toy_config(match_official=True)
  stage = encoder.make(official, None, perceptual=PIXELS)
  assert stage.phases(0) == ("unlabeled", "labeled")
  assert stage.phases(1) == ("unlabeled_eval", "labeled_eval")
  run = jax.jit(stage.train_step, static_argnames="phase")
  after, _ = step((official, stage, frozen, state, run), toy_batch(config),
                  state, "unlabeled_eval")
  jax.tree.map(np.testing.assert_array_equal, after.encoder["batch_stats"],
               state.encoder["batch_stats"])
  assert (after.encoder["params"]["fpn"]["stem"]["kernel"]
          != state.encoder["params"]["fpn"]["stem"]["kernel"]).any()


def test_rate_acts_one_iteration_late(toy_config):
  config = toy_config(**{"encoder.decay_start": 4, "encoder.decay_end": 8})
  rate = encoder.learning_rate(config)
  first, last = 1e-3, 1e-5
  for s in range(0, 6):
    np.testing.assert_allclose(rate(s), first, rtol=1e-6)
  np.testing.assert_allclose(rate(7), (first + last) / 2, rtol=1e-5)
  # The value of the window's last step stays.
  final = last + (first - last) * (1 + np.cos(np.pi * 3 / 4)) / 2
  for s in (8, 9, 100):
    np.testing.assert_allclose(rate(s), final, rtol=1e-5)


@pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_residual_binary_gray_in_bfloat16(
    toy_config, iterate, trace, all_finite, compiled):
  config = toy_config(**{
      "encoder.kind": "residual", "data.channels": 1, "data.num_classes": 2,
      "dtype": "bfloat16", "encoder.optimizer": "adam"})
  stage = encoder.make(config, None, perceptual=PIXELS)
  before, after, metrics = (iterate if compiled else trace)(
      stage, config, frozen_of(config))
  for x in jax.tree.leaves(after):
    assert x.dtype in (jnp.float32, jnp.int32), x.dtype
  assert set(after.encoder) == {"params"}
  if not compiled:
    return
  all_finite((after, metrics))
  assert after.step == 1
  changed = jax.tree.map(lambda a, b: (a != b).any(), before.encoder,
                         after.encoder)
  assert any(jax.tree.leaves(changed))


def test_without_labels_there_is_one_stream(toy_config):
  stage = encoder.make(toy_config(**{"data.num_labeled": 0}), None,
                       perceptual=PIXELS)
  assert stage.phases(0) == ("unlabeled",)
  assert stage.validate is None


@pytest.mark.parametrize(("field", "value"), [
    ("encoder.kind", "vit"), ("encoder.optimizer", "sgd")])
def test_unknown_choices_name_the_field(toy_config, field, value):
  with pytest.raises(ValueError, match=f"config.{field} is '{value}'"):
    encoder.make(toy_config(**{field: value}), None, perceptual=PIXELS)


def test_perceptual_distance_is_of_each_image_alone(toy_config):
  config = toy_config()
  metric = perceptual.make(config, None, "test")
  assert metric.name == "dr_features"
  module = networks.image_discriminator(config)
  size = config.data.size
  images = jax.random.uniform(
      jax.random.key(0), (4, size, size, 3), minval=-1)
  variables = jax.jit(module.init)(jax.random.key(1), images)
  features = jax.jit(metric.features)

  @jax.jit
  def distance(a, b):
    return metric.distance(
        variables, features(variables, a), features(variables, b))

  together = distance(images, images[::-1])
  other = images.at[1:3].set(-images[1:3])
  apart = distance(other, other[::-1])
  np.testing.assert_allclose(together[0], apart[0], rtol=1e-5)
  np.testing.assert_allclose(together[3], together[0], rtol=1e-5)
  assert (together > 0).all()
  np.testing.assert_allclose(distance(images, images), 0, atol=1e-6)
  # The discriminator's own last maps would not do: they see the batch.
  maps = lambda x: module.apply(variables, x)[1]["stddev"]
  assert (np.asarray(maps(images))[0] != np.asarray(maps(other))[0]).any()


def test_the_mean_latent_is_every_outputs_start():
  latent = np.arange(3.0, dtype=np.float32)
  params = {"trunk": {"conv": {"bias": np.ones(6)}},
            "head": {"linear": {"kernel": np.ones((2, 3)), "bias": np.ones(3)}},
            "latents": {"bias": np.ones(6)}}
  started = encoder.started_at(params, latent)
  np.testing.assert_array_equal(started["head"]["linear"]["bias"], latent)
  np.testing.assert_array_equal(started["latents"]["bias"], [0, 1, 2, 0, 1, 2])
  assert started["trunk"]["conv"]["bias"].sum() == 6
  assert started["head"]["linear"]["kernel"].sum() == 6


def test_generated_images_have_rngs_only_where_they_are_used(toy_config):
  used = encoder.make(toy_config(), None)
  paper = encoder.make(toy_config(**{"encoder.latent_weight": 0.0}), None)
  key = jax.random.key(0)
  assert set(used.rngs(key, "unlabeled")) == {"noise", "generated_noise", "z"}
  assert set(used.rngs(key, "labeled")) == {"noise"}
  assert set(paper.rngs(key, "unlabeled")) == {"noise"}

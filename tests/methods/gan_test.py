"""The joint GAN's schedule, gradients, variants and records of an iteration."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from semseg_jax.methods import gan
from semseg_jax.methods.common import joint_losses
from semseg_jax.methods.common import networks
from semseg_jax.methods.common import rngs as rngs_lib

POLICY = ("color", "translation")


@pytest.fixture(scope="module")
def joint(toy_config):
  """(config, stage, first state, jitted step) with adaptive augmentation."""
  config = toy_config(**{
      "gan.augment.policy": POLICY, "gan.augment.pair_policy": POLICY,
      "gan.augment.strength": 0.5,
      "gan.augment.target": 0.6, "gan.augment.images": 40.0,
      "gan.augment.maximum": 0.55})
  stage = gan.make(config, None)
  state = jax.device_get(jax.jit(stage.init)(jax.random.key(0), {}))
  return config, stage, state, jax.jit(
      stage.train_step, static_argnames="phase")


def step(joint, batch, state, phase, key=1):
  _, stage, _, run = joint
  return jax.device_get(run(
      state, {}, batch, stage.rngs(jax.random.key(key), phase), phase=phase))


def squares(state, name):
  """Adam's mean of squared gradients: not zero where there was a gradient."""
  return state.optimizers[name][0].nu


def used(tree):
  return all((x != 0).any() for x in jax.tree.leaves(tree))


def unused(tree):
  return all((x == 0).all() for x in jax.tree.leaves(tree))


def test_phases_follow_the_lazy_schedule(toy_config):
  stage = gan.make(toy_config(**{"gan.r1_every": 6, "gan.path_every": 4}),
                   None)
  for s in range(30):
    phases = stage.phases(s)
    assert [p for p in phases if p not in ("r1", "path")] == ["d", "g", "ema"]
    assert ("r1" in phases) == (s % 6 == 0)
    assert ("path" in phases) == (s % 4 == 0)
    assert list(phases) == sorted(
        phases, key=["d", "r1", "g", "path", "ema"].index)


def test_dm_trains_labels_and_trunk_but_no_image(joint, toy_batch):
  config, _, state, _ = joint
  # Without Dr's weights its score is constant: what remains is Dm's gradient.
  silent = state.replace(image_discriminator=jax.tree.map(
      np.zeros_like, state.image_discriminator))
  after, metrics = step(joint, toy_batch(config), silent, "g")
  assert metrics["g/label"] != 0
  nu = squares(after, "generator")
  for name, leaves in nu.items():
    if name.startswith("image"):
      assert unused(leaves), name
      for a, b in zip(jax.tree.leaves(after.generator[name]),
                      jax.tree.leaves(state.generator[name]), strict=True):
        np.testing.assert_array_equal(a, b)
    elif name.startswith(("label", "mapping")):
      assert used(leaves), name
  assert used(nu["const"])
  assert used(nu["conv8"]["kernel"])
  # Dr is what trains the image.
  after, _ = step(joint, toy_batch(config), state, "g")
  assert used({k: v for k, v in squares(after, "generator").items()
               if k.startswith("image")})
  assert unused(squares(after, "image_discriminator"))


@pytest.mark.parametrize(("bias", "before", "expected"), [
    (100.0, 0.4, 0.5),  # Dr is sure that the real images are real
    (100.0, 0.52, 0.55), (-100.0, 0.4, 0.3), (-100.0, 0.05, 0.0)])
def test_augmentation_follows_overfitting(
    joint, toy_batch, bias, before, expected):
  config, _, state, _ = joint
  dr = dict(state.image_discriminator["params"])
  dr["logit"] = {**dr["logit"], "bias": np.full_like(
      dr["logit"]["bias"], bias)}
  state = state.replace(image_discriminator={"params": dr},
                        augment_strength=np.float32(before))
  after, metrics = step(joint, toy_batch(config), state, "d")
  np.testing.assert_allclose(after.augment_strength, expected, atol=1e-6)
  np.testing.assert_allclose(metrics["augment/strength"], expected, atol=1e-6)
  np.testing.assert_allclose(metrics["dr/real_sign"], np.sign(bias))


def test_discriminator_phase_leaves_the_generator(joint, toy_batch):
  config, _, state, _ = joint
  after, _ = step(joint, toy_batch(config), state, "d")
  jax.tree.map(np.testing.assert_array_equal, after.generator,
               state.generator)
  assert unused(squares(after, "generator"))
  assert used(after.optimizers["image_discriminator"][0].mu)
  moved = jax.tree.map(lambda a, b: bool((a != b).any()),
                       after.patch_discriminator["spectral"],
                       state.patch_discriminator["spectral"])
  assert all(jax.tree.leaves(moved))
  assert after.step == state.step


def test_r1_trains_both_discriminators(joint, toy_batch):
  config, _, state, _ = joint
  after, metrics = step(joint, toy_batch(config), state, "r1")
  assert metrics["dr/r1"] > 0
  assert metrics["dm/r1"] > 0
  weights = squares(after, "image_discriminator")
  assert used(weights["trunk"]["from_image"]["kernel"])
  assert used(squares(after, "patch_discriminator")["scale0"]["conv0"][
      "kernel"])


@pytest.mark.slow
def test_r1_that_matches_the_official_code_leaves_dr(
    joint, toy_config, toy_batch):
  _, _, state, _ = joint
  _, metrics = step(joint, toy_batch(joint[0]), state, "r1")
  official = toy_config(**{
      "match_official": True, "gan.augment.policy": POLICY,
      "gan.augment.strength": 0.5})
  stage = gan.make(official, None)
  frozen_dr, same = step(
      (official, stage, state, jax.jit(
          stage.train_step, static_argnames="phase")),
      toy_batch(official), state, "r1")
  assert unused(squares(frozen_dr, "image_discriminator"))
  jax.tree.map(np.testing.assert_array_equal, frozen_dr.image_discriminator,
               state.image_discriminator)
  np.testing.assert_allclose(same["dr/r1"], metrics["dr/r1"], rtol=1e-5)
  # Dm's own is applied there too.
  assert used(squares(frozen_dr, "patch_discriminator")["scale0"]["conv0"][
      "kernel"])


def test_path_phase_moves_the_generator_and_its_mean(joint, toy_batch):
  config, _, state, _ = joint
  after, metrics = step(joint, toy_batch(config), state, "path")
  np.testing.assert_allclose(
      after.mean_path_length,
      joint_losses.PATH_DECAY * metrics["g/path_length"], rtol=1e-5)
  assert used(squares(after, "generator")["conv8"]["kernel"])
  # The labels have no path length.
  assert unused({k: v for k, v in squares(after, "generator").items()
                 if k.startswith("label")})


def test_average_follows_with_the_stated_rate(joint, toy_config, toy_batch):
  config, _, state, _ = joint
  moved = state.replace(
      generator=jax.tree.map(lambda x: x + 1, state.generator))
  after, metrics = step(joint, toy_batch(config), moved, "ema")
  assert not metrics
  assert after.step == state.step + 1
  d = 0.5 ** (32 / 10_000)
  jax.tree.map(
      lambda new, old: np.testing.assert_allclose(
          new, d * old + (1 - d) * (old + 1), rtol=1e-5, atol=1e-6),
      after.ema, state.ema)
  np.testing.assert_allclose(config.gan.ema_decay, d)


def test_mixing_index(toy_config):
  generator = networks.generator(toy_config())
  latents = generator.num_ws
  keys = jax.random.split(jax.random.key(0), 200)

  def indices(mixing):
    return jax.vmap(lambda k: rngs_lib.generator_rngs(
        k, 2, generator, mixing)["index"])(keys)

  assert (indices(0.0) == latents).all()
  always = np.asarray(indices(1.0))
  assert set(always) == set(range(1, latents))
  share = np.mean(np.asarray(indices(0.5)) < latents)
  assert 0.35 < share < 0.65
  rngs = rngs_lib.generator_rngs(keys[0], 2, generator, 0.5)
  assert rngs["z"].shape == (2, 2, generator.style_dim)
  assert [x.shape for x in rngs["noise"]] == [
      (2, h, w, 1) for h, w in generator.noise_shapes]


def test_rngs_of_a_phase_share_nothing(toy_config):
  stage = gan.make(toy_config(), None)
  rngs = stage.rngs(jax.random.key(0), "d")
  assert not np.allclose(rngs["dr"]["z"], rngs["dm"]["z"])
  assert stage.rngs(jax.random.key(0), "path")["path"]["z"].shape[1] == 2


# With penalties of second order and without, compiled; None: see `trace`.
STEPS = [pytest.param(0, marks=pytest.mark.slow),
         pytest.param(1, marks=pytest.mark.slow), None]


@pytest.mark.parametrize("step", STEPS)
def test_without_labels_it_is_a_plain_gan(
    toy_config, iterate, trace, all_finite, step):
  config = toy_config(**{"data.num_labeled": 0})
  stage = gan.make(config, None)
  assert "path" in stage.phases(0)
  before, after, metrics = (
      trace(stage, config) if step is None
      else iterate(stage, config, step=step))
  assert after.patch_discriminator == {}
  assert set(after.optimizers) == {"generator", "image_discriminator"}
  assert not [k for k in after.generator if k.startswith("label")]
  assert not [k for k in metrics if k.startswith("dm/") or "label" in k]
  if step is not None:
    all_finite((after, metrics))
    assert after.step == 1
    assert (after.generator["const"] != before.generator["const"]).any()


@pytest.mark.parametrize("step", STEPS)
def test_gray_binary_in_bfloat16(toy_config, iterate, trace, all_finite, step):
  config = toy_config(**{"data.channels": 1, "data.num_classes": 2,
                         "dtype": "bfloat16"})
  assert networks.label_channels(config) == 1
  stage = gan.make(config, None)
  _, after, metrics = (
      trace(stage, config) if step is None
      else iterate(stage, config, step=step))
  for x in jax.tree.leaves(after):
    assert x.dtype in (jnp.float32, jnp.int32), x.dtype
  assert after.generator["to_logits8"]["bias"].shape == (1,)
  assert after.generator["to_rgb8"]["bias"].shape == (1,)
  kernel = after.patch_discriminator["params"]["scale0"]["conv0"]["kernel"]
  assert kernel.shape[2] == 2  # an image's channel and a label's
  if step is not None:
    all_finite((after, metrics))
    assert optax.tree.norm(after.optimizers["generator"][0].nu) > 0

"""The joint GAN with projected discriminators, on a toy feature network."""

import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semseg_jax.methods import gan
from semseg_jax.methods.common import joint_networks
from semseg_jax.methods.common import projected_features
from semseg_jax.models import projected_discriminator

PROJECTED = {
    "image_discriminator.kind": "projected",
    "image_discriminator.feature_size": 64,
    "image_discriminator.head_width": 4,
    "gan.path_length_weight": 0.0, "gan.r1_gamma": 0.0}


class Network(nn.Module):
  """Two maps at strides 4 and 8."""

  @nn.compact
  def __call__(self, image):
    x = jnp.broadcast_to(image, (*image.shape[:3], 3))
    maps = []
    for stride in (4, 2):
      x = nn.Dense(4)(nn.avg_pool(x, (stride, stride), (stride, stride)))
      maps.append(x)
    return maps


class Features(projected_features.ProjectedFeatures):
  """`Network` with random weights in the place of a pretrained network."""

  def load(self, files=None):
    del files
    image = jnp.zeros((1, self.size, self.size, 3))
    network = self.network.init(jax.random.key(5), image)
    return {"network": network, "projection": self.projection.init(
        jax.random.key(0), self._maps(network, image))}

  def _maps(self, variables, image):
    return self.network.apply(variables, image)


def make(config):
  features = Features(
      "toy", Network(), projected_discriminator.Projection(
          widths=(4, 4), rms=(1.0, 1.0)), 32)
  modules = joint_networks.make(config)
  return gan.make(
      config, None, modules=modules._replace(features=features))


def draw(stage):
  """A random first state; compiling the initializers would take longer."""
  shapes = jax.eval_shape(stage.init, jax.random.key(0), None)
  rng = np.random.default_rng(0)
  zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
  random = lambda tree: jax.tree.map(
      lambda x: rng.normal(size=x.shape).astype(x.dtype), tree)
  parameters = random(shapes.generator)
  return zeros.replace(
      generator=parameters, ema=parameters,
      image_discriminator=random(shapes.image_discriminator),
      patch_discriminator=random(shapes.patch_discriminator))


@pytest.fixture(scope="module")
def joint(toy_config):
  """(config, stage, frozen, first state, jitted step)."""
  config = toy_config(**PROJECTED)
  stage = make(config)
  return config, stage, stage.load_frozen(), draw(stage), jax.jit(
      stage.train_step, static_argnames="phase")


def step(joint, batch, state, phase, key=1):
  _, stage, frozen, _, run = joint
  return jax.device_get(run(
      state, frozen, batch, stage.rngs(jax.random.key(key), phase),
      phase=phase))


def changed(before, after):
  return jax.tree.map(lambda a, b: bool((a != b).any()), before, after)


def test_phases_follow_the_weights(toy_config):
  every = {"gan.r1_every": 2, "gan.path_every": 3}
  phases = lambda **c: make(
      toy_config(**(PROJECTED | every | c))).phases(0)
  assert phases() == ("d", "g", "ema")
  assert phases(**{"gan.path_length_weight": 2.0}) == ("d", "g", "path", "ema")
  # R1 is left to Dm, and there is none without labels.
  assert phases(**{"gan.r1_gamma": 1.0}) == ("d", "r1", "g", "ema")
  assert phases(**{"gan.r1_gamma": 1.0, "data.num_labeled": 0}) == (
      "d", "g", "ema")


def test_pixels_add_a_head_on_the_image_itself(toy_config):
  config = toy_config(**PROJECTED)
  modules = joint_networks.make(config)
  features = Features(
      "toy", Network(), projected_discriminator.Projection(
          widths=(4, 4), rms=(1.0, 1.0)), 32)
  frozen = {"features": features.load()}
  image = jnp.asarray(np.random.default_rng(0).uniform(
      -1, 1, (4, 8, 8, 3)), jnp.float32)
  scores = {}
  for pixels in (False, True):
    m = modules._replace(features=features._replace(pixels=pixels))
    dr = jax.jit(functools.partial(
        joint_networks.init_image_discriminator, m))(jax.random.key(0))
    score = jax.jit(functools.partial(joint_networks.score_image, m))
    # Stripes of one pixel: gone once the image is resized.
    stripes = image.at[:, :, ::2].add(0.5).at[:, :, 1::2].add(-0.5)
    scores[pixels] = [score(frozen, dr, x)[0] for x in (image, stripes)]
  assert len(scores[True][0]) == len(scores[False][0]) + 1
  plain, striped = (x[0] for x in scores[True])
  assert plain.shape[1:3] == (4, 4)
  assert jnp.abs(plain - striped).max() > 1e-3


def test_discriminator_phase(joint, toy_batch):
  config, _, _, state, _ = joint
  after, metrics = step(joint, toy_batch(config), state, "d")
  assert np.isfinite(list(metrics.values())).all()
  assert metrics["dr/loss"] > 0
  moved = changed(state.image_discriminator, after.image_discriminator)
  assert all(scale["conv0"]["kernel"] for scale in moved["params"].values())
  assert all(scale["conv0"]["v"] for scale in moved["spectral"].values())
  assert not any(jax.tree.leaves(changed(state.generator, after.generator)))


def test_gradients_reach_the_generator(joint, toy_batch):
  config, _, _, state, _ = joint
  after, _ = step(joint, toy_batch(config), state, "g")
  squares = after.optimizers["generator"][0].nu
  for name in ("const", "mapping0", "to_rgb8", "to_rgb4", "to_logits8"):
    leaves = jax.tree.leaves(squares[name])
    assert all((x != 0).any() for x in leaves), name
  moved = changed(state.image_discriminator, after.image_discriminator)
  assert not any(jax.tree.leaves(moved["params"]))
  # Spectral norms advance at every forward pass in training.
  assert all(scale["conv0"]["v"] for scale in moved["spectral"].values())


def test_the_image_follows_dr_alone(joint, toy_batch):
  """Without Dm's weights the image's gradients stay the same."""
  config, _, _, state, _ = joint
  silent = state.replace(patch_discriminator={
      **state.patch_discriminator, "params": jax.tree.map(
          np.zeros_like, state.patch_discriminator["params"])})
  batch = toy_batch(config)
  a, b = (step(joint, batch, s, "g")[0].optimizers["generator"][0].nu
          for s in (state, silent))
  np.testing.assert_allclose(
      a["to_rgb8"]["kernel"], b["to_rgb8"]["kernel"], rtol=1e-5)
  assert (a["to_logits8"]["kernel"] != b["to_logits8"]["kernel"]).any()


def test_r1_is_for_pairs_alone(toy_config, trace):
  config = toy_config(**(PROJECTED | {"gan.r1_gamma": 1.0}))
  stage = make(config)
  frozen = stage.load_frozen()
  _, state, metrics = trace(stage, config, frozen)
  assert "dm/r1" in metrics
  assert "dr/r1" not in metrics
  assert set(state.image_discriminator) == {"params", "spectral"}


@pytest.mark.slow
def test_gray_images_and_projected_pairs(toy_config, toy_batch, all_finite):
  config = toy_config(**(PROJECTED | {
      "data.channels": 1, "data.num_classes": 2,
      "patch_discriminator.kind": "projected"}))
  stage = make(config)
  before = draw(stage)
  after, metrics = jax.jit(stage.train_step, static_argnames="phase")(
      before, stage.load_frozen(), toy_batch(config),
      stage.rngs(jax.random.key(0), "d"), phase="d")
  all_finite((after, metrics))
  kernel = after.patch_discriminator["params"]["scale0"]["conv0"]["kernel"]
  assert kernel.shape[2] == 4 + 1  # a mixed map's channels and a label's
  moved = changed(before.patch_discriminator, after.patch_discriminator)
  assert all(scale["conv0"]["kernel"] for scale in moved["params"].values())


@pytest.mark.slow
def test_resume_is_exact(joint, resumed):
  config, stage, _, state, _ = joint
  after = resumed(stage, config, state, ("d", "ema"))
  moved = changed(state.image_discriminator, after.image_discriminator)
  assert all(scale["conv0"]["v"] for scale in moved["spectral"].values())


@pytest.mark.parametrize(("changes", "message"), [
    ({"image_discriminator.kind": "vgg"},
     "image_discriminator.kind is 'vgg'; use 'stylegan2' or 'projected'"),
    ({"patch_discriminator.kind": "vgg"},
     "patch_discriminator.kind is 'vgg'; use 'patch' or 'projected'"),
    ({"image_discriminator.backbone": "resnet"},
     "image_discriminator.backbone is 'resnet'; use one of .*efficientnet"),
    ({"image_discriminator.feature_size": 100},
     "feature_size is 100; use a multiple of 32"),
    ({"image_discriminator.projection_widths": (8, 8)},
     r"projection_widths is \(8, 8\); give 4 numbers")])
def test_fields_that_are_refused(toy_config, changes, message):
  with pytest.raises(ValueError, match=message):
    gan.make(toy_config(**(PROJECTED | changes)), None)


def test_a_program_can_be_built_from_shapes(toy_config, toy_batch):
  config = toy_config(**PROJECTED)
  stage = gan.make(config, None)
  frozen = stage.load_frozen()
  assert "fc" not in frozen["features"]["network"]["params"]
  state = jax.eval_shape(stage.init, jax.random.key(0), frozen)
  after, _ = jax.eval_shape(
      lambda *args: stage.train_step(*args, phase="g"), state, frozen,
      toy_batch(config), stage.rngs(jax.random.key(0), "g"))
  kind = lambda tree: jax.tree.map(lambda x: (x.shape, x.dtype), tree)
  assert kind(after) == kind(state)


@pytest.mark.slow
def test_pretrained_maps_have_unit_variance(toy_config):
  config = toy_config(**PROJECTED)
  features = projected_features.make(config)
  try:
    frozen = features.load(config.pretrained)
  except FileNotFoundError as e:
    pytest.skip(str(e))
  rng = np.random.default_rng(0)
  # Smooth images; what noise gives is weaker.
  coarse = rng.uniform(-1, 1, (4, 6, 6, 1)).astype(np.float32)
  image = projected_discriminator.resize(jnp.asarray(coarse), (48, 48))
  maps = jax.jit(features.__call__)(frozen, image)
  assert [x.shape for x in maps] == [
      (4, 16, 16, 48), (4, 8, 8, 48), (4, 4, 4, 64), (4, 2, 2, 64)]
  for x in maps:
    assert 0.5 < float(x.std()) < 1.5

"""Stage `gan`: joint training of images and labels (SemanticGAN, section 3).

Li et al., "Semantic Segmentation with Generative Models", CVPR 2021. One
iteration is the phases d (Dr and Dm), r1, g, path, ema. With
`data.num_labeled=0` the label branch and Dm are absent and this is StyleGAN2 on
images alone.
"""

from typing import Any
from typing import NamedTuple

from flax import struct
import jax
import jax.numpy as jnp
import optax

from semseg_jax.methods.common import data
from semseg_jax.methods.common import grids
from semseg_jax.methods.common import networks
from semseg_jax.methods.common import rngs as rngs_lib
from semseg_jax.models import discriminators
from semseg_jax.models import stylegan2
from semseg_jax.ops import augment
from semseg_jax.ops import gan_losses
from semseg_jax.ops import segmentation_losses
from semseg_jax.training import microbatches
from semseg_jax.training import optimizers
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = ("gan", "generator", "image_discriminator", "labels",
          "num_microbatches", "patch_discriminator")
PATH_DECAY = 0.01  # rate of the running mean of path lengths


class State(struct.PyTreeNode):
  """All that training changes.

  Attributes:
    step: int32 scalar, finished iterations.
    generator, ema: parameters of G and their exponential moving average.
    noise: G's constant noise buffers, neither trained nor averaged.
    image_discriminator: parameters of Dr.
    patch_discriminator: {"params", "spectral"} of Dm; {} without labels.
    optimizers: optax states by network name.
    mean_path_length: float32 scalar, running mean.
    augment_strength: float32 scalar in [0, 1], probability of augmentation.
  """
  step: jax.Array
  generator: Any
  ema: Any
  noise: Any
  image_discriminator: Any
  patch_discriminator: Any
  optimizers: dict[str, Any]
  mean_path_length: jax.Array
  augment_strength: jax.Array


class Modules(NamedTuple):
  """The three networks; `patch_discriminator` is unused without labels."""
  generator: stylegan2.Generator
  image_discriminator: discriminators.ImageDiscriminator
  patch_discriminator: discriminators.PatchDiscriminator


def make(config, workdir, *, modules: Modules | None = None) -> stage.Stage:
  """The stage that `config` describes; nothing is read before training.

  Args:
    config: the experiment's config.
    workdir: the run's folder; this stage needs nothing from it.
    modules: networks to train instead of those the config describes.
  """
  del workdir
  c = config.gan
  generator, dr, dm = modules or Modules(
      networks.generator(config), networks.image_discriminator(config),
      networks.patch_discriminator(config))
  labeled = generator.label_channels > 0
  parts = config.num_microbatches
  microbatches.check(c.batch_size, parts, "config.gan.batch_size")
  policy = tuple(c.augment.policy)
  pair_policy = tuple(c.augment.pair_policy)
  lazy = {"generator": c.path_every, "image_discriminator": c.r1_every,
          "patch_discriminator": c.r1_every}
  tx = {name: optimizers.lazy_adam(
      c.learning_rate, betas=(0.0, 0.99), ratio=every / (every + 1))
        for name, every in lazy.items()}

  def init(key, frozen) -> State:
    del frozen
    g_key, dr_key, dm_key = jax.random.split(key, 3)
    g = generator.init(g_key, jnp.zeros((1, generator.style_dim)))
    image = jnp.zeros(
        (1, generator.size, generator.size, generator.image_channels))
    params = {"generator": g["params"],
              "image_discriminator": dr.init(dr_key, image)["params"]}
    patch = {}
    if labeled:
      labels = jnp.zeros(image.shape[:3] + (generator.label_channels,))
      patch = dict(dm.init(
          dm_key, jnp.concatenate([image, labels], -1), update_stats=False))
      params["patch_discriminator"] = patch["params"]
    return State(
        step=jnp.zeros((), jnp.int32),
        generator=g["params"],
        # Its own buffers: the state is donated, so no leaf may stand twice.
        ema=jax.tree.map(jnp.copy, g["params"]),
        noise=g["noise"],
        image_discriminator=params["image_discriminator"],
        patch_discriminator=patch,
        optimizers={k: tx[k].init(p) for k, p in params.items()},
        mean_path_length=jnp.zeros(()),
        augment_strength=jnp.float32(c.augment.strength))

  def gradients_of(loss_fn, params, batch, rngs):
    """(gradients, aux) of loss_fn(params, batch, rngs), by microbatches."""
    return microbatches.grad(lambda p, data: loss_fn(p, *data), parts)(
        params, (batch, rngs), (0, rngs_lib.axes(rngs)))

  def synthesize(params, rngs):
    w1, w2 = (generator.apply({"params": params}, z, method="mapping")
              for z in rngs["z"])
    latents = stylegan2.mix_latents(w1, w2, rngs["index"], generator.num_ws)
    sample, _ = generator.apply(
        {"params": params}, latents, rngs["noise"], method="synthesize")
    return sample

  def real_pair(batch):
    """Labeled images with their labels as maps in {-1, 1}."""
    onehot = segmentation_losses.one_hot(
        batch["label"], generator.label_channels, config.data.ignore_index)
    return data.to_float(batch["image"]), 2 * onehot - 1

  def augmented(rngs, strength, image):
    return augment.augment(
        rngs, image, policy=policy, strength=strength) if policy else image

  def augmented_pair(rngs, strength, image, label):
    return augment.augment(
        rngs, image, label, policy=pair_policy,
        strength=strength) if pair_policy else (image, label)

  def dr_score(params, image):
    return dr.apply({"params": params}, image)[0]

  def dm_maps(params, spectral, image, label):
    """Dm in training mode: its feature maps and the advanced u, v."""
    maps, changed = dm.apply(
        {"params": params, "spectral": spectral},
        jnp.concatenate([image, label], -1), update_stats=True,
        mutable=["spectral"])
    return maps, changed["spectral"]

  def update(state, name, params, gradients):
    deltas, opt = tx[name].update(gradients, state.optimizers[name], params)
    return (optax.apply_updates(params, deltas),
            {**state.optimizers, name: opt})

  def update_dr(state, gradients):
    params, opt = update(
        state, "image_discriminator", state.image_discriminator, gradients)
    return state.replace(image_discriminator=params, optimizers=opt)

  def update_dm(state, gradients, spectral):
    params, opt = update(state, "patch_discriminator",
                         state.patch_discriminator["params"], gradients)
    return state.replace(
        patch_discriminator={"params": params, "spectral": spectral},
        optimizers=opt)

  def update_g(state, gradients):
    params, opt = update(state, "generator", state.generator, gradients)
    return state.replace(generator=params, optimizers=opt)

  def phase_d(state, batch, rngs):
    """One step of Dr and one of Dm (SemanticGAN, section 3.3)."""
    strength = state.augment_strength

    def dr_loss(params, batch, rngs):
      real = augmented(rngs["augment_real"], strength,
                       data.to_float(batch["unlabeled"]["image"]))
      fake = augmented(rngs["augment_fake"], strength,
                       synthesize(state.generator, rngs["dr"]).image)
      real_score, fake_score = dr_score(params, real), dr_score(params, fake)
      loss = gan_losses.logistic_discriminator(real_score, fake_score)
      return loss, {"dr/loss": loss, "dr/real_score": real_score.mean(),
                    "dr/fake_score": fake_score.mean(),
                    "dr/real_sign": jnp.sign(real_score).mean()}

    gradients, metrics = gradients_of(
        dr_loss, state.image_discriminator, batch, rngs)
    state = update_dr(state, gradients)
    if c.augment.target:
      state = state.replace(augment_strength=adapted(
          strength, metrics["dr/real_sign"],
          batch["unlabeled"]["image"].shape[0]))
      metrics["augment/strength"] = state.augment_strength
    if not labeled:
      return state, metrics

    def dm_loss(params, batch, rngs):
      fake_pair = augmented_pair(rngs["augment_fake_pair"], strength,
                                 *synthesize(state.generator, rngs["dm"]))
      pair = augmented_pair(
          rngs["augment_pair"], strength, *real_pair(batch["labeled"]))
      fake_maps, spectral = dm_maps(
          params, state.patch_discriminator["spectral"], *fake_pair)
      real_maps, spectral = dm_maps(params, spectral, *pair)
      loss = 0.5 * (gan_losses.patch_discriminator_loss(fake_maps, False)
                    + gan_losses.patch_discriminator_loss(real_maps, True))
      return loss, (spectral, {
          "dm/loss": loss, "dm/real_score": last_score(real_maps),
          "dm/fake_score": last_score(fake_maps)})

    gradients, (spectral, dm_metrics) = gradients_of(
        dm_loss, state.patch_discriminator["params"], batch, rngs)
    return update_dm(state, gradients, spectral), metrics | dm_metrics

  def adapted(strength, real_sign, n):
    """ADA (Karras et al., 2020): raise the strength while Dr overfits."""
    change = jnp.sign(real_sign - c.augment.target) * n / c.augment.images
    return jnp.clip(strength + change, 0.0, c.augment.maximum)

  def phase_r1(state, batch, rngs):
    """R1 on Dr, then on Dm (Mescheder et al. 2018; lazily, as StyleGAN2)."""
    weight = c.r1_gamma / 2 * c.r1_every
    strength = state.augment_strength

    def dr_loss(params, batch, rngs):
      real = augmented(rngs["augment_real"], strength,
                       data.to_float(batch["unlabeled"]["image"]))
      penalty = gan_losses.r1_penalty(
          lambda x: dr_score(params, x).sum(), real)
      return weight * penalty, {"dr/r1": penalty}

    gradients, metrics = gradients_of(
        dr_loss, state.image_discriminator, batch, rngs)
    if config.match_official:
      # Unlike the paper: the official code freezes Dr when it takes R1 of Dr,
      # so Adam sees a zero gradient.
      gradients = jax.tree.map(jnp.zeros_like, gradients)
    state = update_dr(state, gradients)
    if not labeled:
      return state, metrics

    def dm_loss(params, batch, rngs):
      image, label = augmented_pair(
          rngs["augment_pair"], strength, *real_pair(batch["labeled"]))
      channels = image.shape[-1]
      spectral = state.patch_discriminator["spectral"]
      _, advanced = dm_maps(params, spectral, image, label)

      def score(pair):
        maps, _ = dm_maps(
            params, spectral, pair[..., :channels], pair[..., channels:])
        # A mean over the whole batch, of which this may be a part.
        return sum(scale[-1].mean(dtype=jnp.float32) for scale in maps) / parts

      penalty = gan_losses.r1_penalty(
          score, jnp.concatenate([image, label], -1))
      return weight * penalty, (advanced, {"dm/r1": penalty})

    gradients, (spectral, dm_metrics) = gradients_of(
        dm_loss, state.patch_discriminator["params"], batch, rngs)
    return update_dm(state, gradients, spectral), metrics | dm_metrics

  def phase_g(state, batch, rngs):
    """One step of G: Dr trains the image, Dm the label branch and trunk."""
    strength = state.augment_strength

    def loss_fn(params, batch, rngs):
      sample = synthesize(params, rngs["g"])
      fake = augmented(rngs["augment_fake"], strength, sample.image)
      image_loss = gan_losses.nonsaturating_generator(
          dr_score(state.image_discriminator, fake))
      if not labeled:
        return image_loss, ({}, {"g/image": image_loss, "g/loss": image_loss})
      dm_params = state.patch_discriminator["params"]
      fake_maps, spectral = dm_maps(
          dm_params, state.patch_discriminator["spectral"],
          *augmented_pair(rngs["augment_fake_pair"], strength,
                          jax.lax.stop_gradient(sample.image), sample.logits))
      real_maps, spectral = dm_maps(
          dm_params, spectral,
          *augmented_pair(rngs["augment_pair"], strength,
                          *real_pair(batch["labeled"])))
      adversarial = gan_losses.patch_generator_loss(fake_maps)
      matching = gan_losses.feature_matching(
          fake_maps, jax.lax.stop_gradient(real_maps),
          c.feature_matching_weight)
      loss = image_loss + adversarial + matching
      return loss, (spectral, {
          "g/image": image_loss, "g/label": adversarial,
          "g/feature_matching": matching, "g/loss": loss})

    gradients, (spectral, metrics) = gradients_of(
        loss_fn, state.generator, batch, rngs)
    state = update_g(state, gradients)
    if labeled:
      state = state.replace(patch_discriminator={
          **state.patch_discriminator, "spectral": spectral})
    return state, metrics

  def phase_path(state, batch, rngs):
    """Path-length regularisation of the image (StyleGAN2, section 3.2)."""
    del batch

    def loss_fn(params, batch, rngs):
      del batch
      d = rngs["path"]
      variables = {"params": params}
      w1, w2 = (generator.apply(variables, z, method="mapping")
                for z in d["z"])
      latents = stylegan2.mix_latents(w1, w2, d["index"], generator.num_ws)

      def image_fn(latents):
        return generator.apply(
            variables, latents, d["noise"], method="synthesize")[0].image

      penalty, mean, lengths = gan_losses.path_length_penalty(
          image_fn, latents, rngs["image_noise"], state.mean_path_length,
          decay=PATH_DECAY)
      return c.path_length_weight * c.path_every * penalty, (
          mean, {"g/path": penalty, "g/path_length": lengths.mean()})

    gradients, (mean, metrics) = gradients_of(
        loss_fn, state.generator, (), rngs)
    return update_g(state, gradients).replace(mean_path_length=mean), metrics

  def phase_ema(state, batch, rngs):
    """The averaged generator; ends the iteration."""
    del batch, rngs
    return state.replace(
        step=state.step + 1,
        ema=optax.incremental_update(
            state.generator, state.ema, 1 - c.ema_decay)), {}

  bodies = {"d": phase_d, "r1": phase_r1, "g": phase_g, "path": phase_path,
            "ema": phase_ema}

  def train_step(state, frozen, batch, rngs, *, phase):
    del frozen
    return bodies[phase](state, batch, rngs)

  def phases(step: int) -> tuple[str, ...]:
    return (("d",) + (("r1",) if step % c.r1_every == 0 else ()) + ("g",)
            + (("path",) if step % c.path_every == 0 else ()) + ("ema",))

  return stage.Stage(
      steps=c.steps,
      load_frozen=lambda: {},
      init=init,
      phases=phases,
      rngs=rngs_lib.of_phases(c, generator),
      train_step=train_step,
      train_data=lambda start: data.train_batches(
          config, batch_size=c.batch_size, unlabeled_batch_size=c.batch_size,
          start_step=start),
      sample=grids.sampler(config, generator))


def last_score(maps) -> jax.Array:
  """Mean over scales of the mean of each scale's score map."""
  return sum(
      scale[-1].mean(dtype=jnp.float32) for scale in maps) / len(maps)

"""Stage `gan`: joint training of images and labels (SemanticGAN, section 3).

Li et al., "Semantic Segmentation with Generative Models", CVPR 2021. One
iteration is the phases d (Dr and Dm), r1, g, path, reconstruction (ours, off in
the paper's configs), ema; their losses are in `methods/common/joint_losses.py`.
With `data.num_labeled=0` the label branch and Dm are absent and this is
StyleGAN2, or Projected GAN, on images alone.
"""

import functools
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import optax

from semseg_jax.data import flips
from semseg_jax.methods.common import checks
from semseg_jax.methods.common import data
from semseg_jax.methods.common import grids
from semseg_jax.methods.common import joint_losses
from semseg_jax.methods.common import joint_networks
from semseg_jax.methods.common import perceptual as perceptual_lib
from semseg_jax.methods.common import rngs as rngs_lib
from semseg_jax.training import microbatches
from semseg_jax.training import optimizers
from semseg_jax.training import stage

# Blocks of the config that the result depends on. Not `encoder`, although E of
# the reconstructions has its sizes: its steps and rates count for a later stage
# alone, and E of other sizes does not fit the checkpoint.
FIELDS = ("gan", "generator", "image_discriminator", "labels",
          "num_microbatches", "patch_discriminator", "perceptual")
_BETAS = (0.0, 0.99)


class State(struct.PyTreeNode):
  """All that training changes."""
  step: jax.Array  # int32 scalar, finished iterations
  # generator, ema: parameters of G and their exponential moving average.
  generator: Any
  ema: Any
  noise: Any  # G's constant noise buffers, neither trained nor averaged
  # Variables of Dr: "params", projected also "spectral".
  image_discriminator: Any
  patch_discriminator: Any  # {"params", "spectral"} of Dm; {} without labels
  encoder: Any  # variables of E; {} without reconstructions
  optimizers: dict[str, Any]  # optax states by network name
  mean_path_length: jax.Array  # float32 scalar, running mean
  # Float32 scalar in [0, 1], probability of augmentation.
  augment_strength: jax.Array


def unused(config) -> tuple[str, ...]:
  """Blocks of FIELDS that count for reconstructions alone."""
  return () if config.gan.reconstruction.perceptual_weight else ("perceptual",)


def make(config, workdir, *,
         modules: joint_networks.Modules | None = None,
         perceptual=None) -> stage.Stage:
  """The stage that `config` describes; nothing is read before training.

  Args:
    workdir: the run's folder; None: `load_frozen` gives shapes alone.
    modules: networks to train instead of those the config describes.
    perceptual: the distance of reconstructions; None: the config's.

  Raises ValueError: a field is out of range, or the fields do not fit.
  """
  c = config.gan
  modules = modules or joint_networks.make(config)
  microbatches.check(
      c.batch_size, config.num_microbatches, "config.gan.batch_size")
  if c.path_length_weight:
    microbatches.check(
        max(1, c.batch_size // c.path_batch_shrink), config.num_microbatches,
        "config.gan.batch_size / config.gan.path_batch_shrink")
  if modules.encoder and c.batch_size // config.num_microbatches < 2:
    raise ValueError(
        f"config.gan.batch_size = {c.batch_size} has one image in each of "
        f"{config.num_microbatches} parts, but reconstructions "
        "(config.gan.reconstruction) compare two: give twice as many")
  if not modules.projected:
    checks.gan_batch(
        c.batch_size, config.num_microbatches, "config.gan.batch_size")
  # The data set's ignore index is set in a step, when the data is there.
  gan = joint_losses.Gan(
      modules, _with_allowed_flips(config), 0, config.num_microbatches,
      perceptual or (reconstruction_distance(config, workdir)
                     if modules.encoder else None))
  tx = adams(gan)
  phase_functions = {
      "d": discriminator_phase, "g": generator_phase, "path": path_phase,
      "reconstruction": reconstruction_phase, "ema": ema_phase,
      "r1": functools.partial(
          r1_phase, match_official=config.match_official)}
  files = None if workdir is None else config.pretrained

  def load_frozen():
    frozen = joint_networks.load_frozen(modules, files)
    return frozen | ({"perceptual": gan.perceptual.load()}
                     if modules.encoder else {})

  def train_step(state, frozen, batch, rngs, *, phase):
    return phase_functions[phase](
        gan._replace(ignore_index=data.ignore_index(config)), tx, frozen,
        state, batch, rngs)

  return stage.Stage(
      steps=c.steps,
      load_frozen=load_frozen,
      init=lambda key, frozen: init(gan, tx, key),
      phases=lambda step: phases(gan, step),
      rngs=rngs_lib.of_phases(c, modules.generator),
      train_step=train_step,
      train_data=lambda start: data.train_batches(
          config, batch_size=c.batch_size, unlabeled_batch_size=c.batch_size,
          start_step=start),
      sample=grids.sampler(config, modules.generator))


def reconstruction_distance(config, workdir):
  """The perceptual distance of real images and their reconstructions."""
  if perceptual_lib.kind(config) == "discriminator":
    raise ValueError(
        "config.gan.reconstruction.perceptual_weight needs a distance that is "
        "there before Dr is trained: set config.perceptual.kind to "
        "'efficientnet' or 'lpips_vgg'")
  return perceptual_lib.make(config, workdir, "stage 'gan'")


def _with_allowed_flips(config):
  """Block `gan` without flips that the data set's rule does not allow.

  The label channels of a pair are not exchanged: a set whose mirror images
  exchange classes is not flipped.
  """
  c = config.gan
  if "flip" not in (*c.augment.policy, *c.augment.pair_policy):
    return c
  rule = data.flip_rule(config)
  if rule is not None and not flips.exchanges(rule):
    return c
  c = c.copy_and_resolve_references()
  for name in ("policy", "pair_policy"):
    c.augment[name] = tuple(x for x in c.augment[name] if x != "flip")
  return c


def phases(gan, step: int) -> tuple[str, ...]:
  """An iteration's phases, with the regularizers every so many iterations."""
  every = regularization_intervals(gan)
  r1 = every["image_discriminator"] or every["patch_discriminator"]
  due = lambda interval: interval and step % interval == 0
  return ("d", *(["r1"] if due(r1) else []), "g",
          *(["path"] if due(every["generator"]) else []),
          *(["reconstruction"] if gan.modules.encoder and due(
              gan.options.reconstruction.every) else []), "ema")


def regularization_intervals(gan) -> dict[str, int]:
  """Iterations between two regularizations of each network; 0 = none.

  A projected Dr has no R1 (Sauer et al. 2021, section 4).
  """
  c, modules = gan.options, gan.modules
  r1 = c.r1_every if c.r1_gamma else 0
  return {"generator": c.path_every if c.path_length_weight else 0,
          "image_discriminator": 0 if modules.projected else r1,
          "patch_discriminator": r1 if modules.labeled else 0}


def adams(gan) -> dict[str, optax.GradientTransformation]:
  """Each network's optimizer, rescaled by its lazy regularization."""
  c = gan.options
  rates = {"generator": c.learning_rate,
           "image_discriminator": c.image_discriminator_learning_rate,
           "patch_discriminator": c.patch_discriminator_learning_rate}
  tx = {name: optimizers.lazy_adam(
      rates[name], betas=_BETAS, ratio=every / (every + 1) if every else 1.0)
        for name, every in regularization_intervals(gan).items()}
  if gan.modules.encoder:
    tx["encoder"] = optax.adam(c.reconstruction.learning_rate)
  return tx


def init(gan, tx, key) -> State:
  """The first state."""
  g_key, dr_key, dm_key = jax.random.split(key, 3)
  encoder = joint_networks.init_encoder(gan.modules, jax.random.fold_in(key, 3))
  generator = gan.modules.generator
  g = generator.init(g_key, jnp.zeros((1, generator.style_dim)))
  dr = joint_networks.init_image_discriminator(gan.modules, dr_key)
  dm = joint_networks.init_pair_discriminator(gan.modules, dm_key)
  params = {"generator": g["params"], "image_discriminator": dr["params"]}
  if dm:
    params["patch_discriminator"] = dm["params"]
  if encoder:
    params["encoder"] = encoder["params"]
  return State(
      step=jnp.zeros((), jnp.int32),
      generator=g["params"],
      # Its own buffers: the state is donated, so no leaf may stand twice.
      ema=jax.tree.map(jnp.copy, g["params"]),
      noise=g["noise"],
      image_discriminator=dr,
      patch_discriminator=dm,
      encoder=encoder,
      optimizers={name: tx[name].init(p) for name, p in params.items()},
      mean_path_length=jnp.zeros(()),
      augment_strength=jnp.float32(gan.options.augment.strength))


def discriminator_phase(gan, tx, frozen, state, batch, rngs):
  """One step of Dr, then one of Dm."""
  gradients, (spectral, metrics) = gradients_of(
      joint_losses.discriminator_loss, gan, frozen, state,
      state.image_discriminator["params"], batch, rngs)
  before = state
  state = step_network(
      tx, state, "image_discriminator", gradients, spectral)
  if gan.options.augment.target:
    state = state.replace(augment_strength=adapted_strength(
        gan.options.augment, state.augment_strength, metrics["dr/real_sign"],
        batch["unlabeled"]["image"].shape[0]))
    metrics["augment/strength"] = state.augment_strength
  if not gan.modules.labeled:
    return state, metrics
  gradients, (spectral, pair_metrics) = gradients_of(
      joint_losses.pair_discriminator_loss, gan, frozen, before,
      state.patch_discriminator["params"], batch, rngs)
  return step_network(
      tx, state, "patch_discriminator", gradients,
      spectral), metrics | pair_metrics


def r1_phase(gan, tx, frozen, state, batch, rngs, *, match_official=False):
  """R1 on Dr unless it is projected, then R1 on Dm."""
  metrics = {}
  if not gan.modules.projected:
    gradients, (_, metrics) = gradients_of(
        joint_losses.r1_loss, gan, frozen, state,
        state.image_discriminator["params"], batch, rngs)
    if match_official:
      # Deviates from the paper as the official code does: Dr is frozen there
      # when its R1 is taken, so Adam sees a zero gradient.
      gradients = jax.tree.map(jnp.zeros_like, gradients)
    state = step_network(tx, state, "image_discriminator", gradients)
  if not gan.modules.labeled:
    return state, metrics
  gradients, (spectral, pair_metrics) = gradients_of(
      joint_losses.pair_r1_loss, gan, frozen, state,
      state.patch_discriminator["params"], batch, rngs)
  return step_network(
      tx, state, "patch_discriminator", gradients,
      spectral), metrics | pair_metrics


def generator_phase(gan, tx, frozen, state, batch, rngs):
  """One step of G: Dr trains the image, Dm the label branch and the trunk."""
  gradients, ((dr, dm), metrics) = gradients_of(
      joint_losses.generator_loss, gan, frozen, state, state.generator, batch,
      rngs)
  return step_generator(tx, state, gradients).replace(
      image_discriminator={**state.image_discriminator, **dr},
      patch_discriminator={**state.patch_discriminator, **dm}), metrics


def path_phase(gan, tx, frozen, state, batch, rngs):
  """One step of G on the path length of the image."""
  del batch
  gradients, (mean, metrics) = gradients_of(
      joint_losses.path_length_loss, gan, frozen, state, state.generator, (),
      rngs)
  return step_generator(
      tx, state, gradients).replace(mean_path_length=mean), metrics


def reconstruction_phase(gan, tx, frozen, state, batch, rngs):
  """One step of G and E on reconstructions of real images."""
  params = {"generator": state.generator, "encoder": state.encoder["params"]}
  gradients, (changed, metrics) = gradients_of(
      joint_losses.reconstruction_loss, gan, frozen, state, params, batch, rngs)
  state = step_generator(tx, state, gradients["generator"])
  return step_network(
      tx, state, "encoder", gradients["encoder"], changed), metrics


def ema_phase(gan, tx, frozen, state, batch, rngs):
  """The averaged generator; ends the iteration."""
  del tx, frozen, batch, rngs
  return state.replace(
      step=state.step + 1,
      ema=optax.incremental_update(
          state.generator, state.ema, 1 - gan.options.ema_decay)), {}


def gradients_of(loss_fn, gan, frozen, state, params, batch, rngs):
  """(gradients, (extra, metrics)) of one of `joint_losses`, by microbatches."""
  def loss(params, data):
    return loss_fn(gan, frozen, state, params, *data)

  return microbatches.grad(loss, gan.num_microbatches)(
      params, (batch, rngs), (0, rngs_lib.axes(rngs)))


def step_generator(tx, state, gradients) -> State:
  """G after one step of its optimizer."""
  deltas, opt = tx["generator"].update(
      gradients, state.optimizers["generator"], state.generator)
  return state.replace(
      generator=optax.apply_updates(state.generator, deltas),
      optimizers={**state.optimizers, "generator": opt})


def step_network(tx, state, name, gradients, changed=None) -> State:
  """Dr, Dm or E after one step of its optimizer.

  `changed`: variables that the forward pass has moved on: vectors of spectral
  norms, running statistics.
  """
  variables = getattr(state, name)
  deltas, opt = tx[name].update(
      gradients, state.optimizers[name], variables["params"])
  variables = {**variables, **(changed or {}),
               "params": optax.apply_updates(variables["params"], deltas)}
  return state.replace(
      **{name: variables}, optimizers={**state.optimizers, name: opt})


def adapted_strength(options, strength, real_sign, n: int):
  """ADA (Karras et al. 2020b): raise the strength while Dr overfits.

  Args:
    options: the config's block `gan.augment`.
    strength: probability of augmentation so far.
    real_sign: mean sign of Dr's scores of real images.
    n: number of images.
  """
  change = jnp.sign(real_sign - options.target) * n / options.images
  return jnp.clip(strength + change, 0.0, options.maximum)

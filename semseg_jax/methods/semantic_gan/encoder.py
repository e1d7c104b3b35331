"""Stage `encoder`: images into W+ of the frozen generator (SemanticGAN).

Each iteration is two optimizer steps with two optimizer states on the same
parameters: one on unlabeled images (reconstruction), one on labeled
images (reconstruction and label losses).
"""

from typing import Any
from typing import NamedTuple

from flax import struct
import jax
import jax.numpy as jnp
import optax

from semseg_jax import inversion
from semseg_jax.methods import supervised
from semseg_jax.methods.common import data
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import grids
from semseg_jax.methods.common import networks
from semseg_jax.methods.common import perceptual as perceptual_lib
from semseg_jax.methods.common import validation
from semseg_jax.models import stylegan2
from semseg_jax.ops import image_ops
from semseg_jax.ops import schedules
from semseg_jax.training import microbatches
from semseg_jax.training import optimizers
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = ("encoder", "gan", "generator", "image_discriminator",
          "num_microbatches", "perceptual")


class State(struct.PyTreeNode):
  """All that training changes."""
  step: jax.Array  # int32 scalar, finished iterations
  encoder: Any  # {"params"} and, for FPN, {"batch_stats"}
  optimizers: dict[str, Any]  # optax states "unlabeled" and "labeled"


class Networks(NamedTuple):
  """What an iteration is made of."""
  generator: stylegan2.Generator
  encoder: Any
  perceptual: Any  # the distance, of `common.perceptual`


def make(config, workdir, *, modules=None, perceptual=None) -> stage.Stage:
  """The stage that `config` describes.

  Args:
    workdir: the run's folder, which holds the trained `gan` stage.
    modules: (generator, encoder) instead of those the config describes.
    perceptual: the distance; None takes the one the config chooses.
  """
  c = config.encoder
  generator, encoder = modules or (
      networks.generator(config), networks.encoder(config))
  if perceptual is None:
    perceptual = perceptual_lib.make(config, workdir, "stage 'encoder'")
  nets = Networks(generator, encoder, perceptual)
  optimizer = {"ranger": optimizers.ranger, "adam": optax.adam}
  if c.optimizer not in optimizer:
    raise ValueError(f"config.encoder.optimizer is {c.optimizer!r}; use "
                     f"'ranger' or 'adam'")
  rate = learning_rate(config)
  tx = {"unlabeled": optimizer[c.optimizer](rate),
        "labeled": optimizer[c.optimizer](rate)}
  for field in ("unlabeled_batch_size", "batch_size"):
    microbatches.check(
        c[field], config.num_microbatches, f"config.encoder.{field}")
  clip = {"unlabeled": c.unlabeled_clip, "labeled": c.labeled_clip}
  losses = {"unlabeled": unlabeled_loss, "labeled": labeled_loss}
  streams = ("unlabeled", "labeled") if config.data.num_labeled else (
      "unlabeled",)

  def load_frozen():
    frozen = {
        "generator": generators.load_ema(config, workdir, "stage 'encoder'"),
        "perceptual": perceptual.load()}
    if config.gan.reconstruction.perceptual_weight:
      frozen["first"] = generators.load_first_encoder(
          config, workdir, "stage 'encoder'")
    return frozen

  def init(key, frozen):
    variables = initial(config, nets, key, frozen)
    return State(
        step=jnp.zeros((), jnp.int32), encoder=variables,
        optimizers={k: t.init(variables["params"]) for k, t in tx.items()})

  def train_step(state, frozen, batch, rngs, *, phase):
    stream, _, mode = phase.partition("_")
    params = state.encoder["params"]
    gradients, (changed, metrics) = microbatches.grad(
        lambda params, data: losses[stream](
            config, nets, frozen, {**state.encoder, "params": params}, *data,
            train=mode != "eval"), config.num_microbatches)(
                params, (batch[stream], rngs))
    gradients, norm = optimizers.clip_by_global_norm(gradients, clip[stream])
    metrics[f"{stream}/gradient_norm"] = norm
    metrics["learning_rate"] = rate(state.step)
    deltas, opt = tx[stream].update(
        gradients, state.optimizers[stream], params)
    return state.replace(
        step=state.step + (stream == streams[-1]),
        encoder={**state.encoder, **changed,
                 "params": optax.apply_updates(params, deltas)},
        optimizers={**state.optimizers, stream: opt}), metrics

  def phases(step):
    # Unlike the paper: after the first iteration of the official code batch
    # normalization never returns to training mode.
    mode = "_eval" if config.match_official and step > 0 else ""
    return tuple(s + mode for s in streams)

  return stage.Stage(
      steps=c.steps,
      load_frozen=load_frozen,
      init=init,
      phases=phases,
      rngs=lambda key, phase: draw(
          config, generator, key, phase.partition("_")[0]),
      train_step=train_step,
      train_data=lambda start: data.train_batches(
          config, batch_size=c.batch_size if config.data.num_labeled else 0,
          unlabeled_batch_size=c.unlabeled_batch_size, start_step=start),
      **_watched(config, nets))


def initial(config, nets, key, frozen) -> dict[str, Any]:
  """The encoder's first variables."""
  if "first" in frozen:  # trained beside the generator
    # Its own buffers: the state is donated.
    return jax.tree.map(jnp.copy, dict(frozen["first"]))
  generator = nets.generator
  size, channels = generator.size, generator.image_channels
  variables = dict(nets.encoder.init(
      key, jnp.zeros((1, size, size, channels)), train=False))
  if config.encoder.mean_start:
    z = jax.random.normal(key, (inversion.MEAN_SAMPLES, generator.style_dim))
    variables["params"] = started_at(
        variables["params"], _mapping(nets, frozen, z).mean(0))
  return variables


def draw(config, generator, key, stream: str) -> dict[str, Any]:
  """The randomness of a step on one of the two streams."""
  c = config.encoder
  n = {"unlabeled": c.unlabeled_batch_size, "labeled": c.batch_size}[stream]
  noise = lambda key: stylegan2.random_noise(key, n, generator.noise_shapes)
  if stream == "labeled" or not c.latent_weight:
    return {"noise": noise(key)}
  key, z_key, generated_key = jax.random.split(key, 3)
  return {"noise": noise(key), "generated_noise": noise(generated_key),
          "z": jax.random.normal(z_key, (n, generator.style_dim))}


def unlabeled_loss(config, nets, frozen, variables, batch, rngs, *, train):
  """Reconstruction of unlabeled images.

  Args:
    frozen: of the stage.
    variables: the encoder's.
    batch: {"image": uint8 [N, H, W, C]}.
    rngs: of `draw`.
    train: whether batch norm takes the batch's statistics.

  Returns (loss, (changed variables, metrics)).
  """
  c = config.encoder
  _, mse, distance, changed = reconstruction(
      nets, frozen, variables, data.to_float(batch["image"]), rngs["noise"],
      train)
  loss = (c.unlabeled_mse_weight * mse
          + c.unlabeled_perceptual_weight * distance)
  metrics = {"unlabeled/mse": mse, "unlabeled/perceptual": distance}
  if c.latent_weight:
    metrics["generated/latent"] = latent_error(
        nets, frozen, variables, rngs, train)
    loss += c.latent_weight * metrics["generated/latent"]
  return loss, (changed, metrics | {"unlabeled/loss": loss})


def labeled_loss(config, nets, frozen, variables, batch, rngs, *, train):
  """Reconstruction of labeled images and of their labels, where the generator
  has a label branch; see `unlabeled_loss`."""
  c = config.encoder
  sample, mse, distance, changed = reconstruction(
      nets, frozen, variables, data.to_float(batch["image"]), rngs["noise"],
      train)
  loss = c.labeled_mse_weight * mse + c.labeled_perceptual_weight * distance
  metrics = {"labeled/mse": mse, "labeled/perceptual": distance}
  if sample.logits is not None:
    entropy, dice = label_losses(
        sample.logits, batch["label"], data.ignore_index(config))
    loss += c.cross_entropy_weight * entropy + c.dice_weight * dice
    metrics |= {"labeled/cross_entropy": entropy, "labeled/dice": dice}
  return loss, (changed, metrics | {"labeled/loss": loss})


def reconstruction(nets, frozen, variables, image, noise, train):
  """Images through encoder and generator.

  Returns (the generator's sample, mean squared error, mean perceptual distance,
  the encoder's changed variables).
  """
  latents, changed = networks.encode(
      nets.encoder, variables, image, train=train)
  sample, _ = nets.generator.apply(
      frozen["generator"], latents, noise, method="synthesize")
  perceptual, weights = nets.perceptual, frozen["perceptual"]
  target = perceptual.features(weights, image)
  features = perceptual.features(weights, sample.image)
  mse = jnp.square(sample.image - image).mean()
  distance = perceptual.distance(weights, features, target).mean()
  return sample, mse, distance, changed


def latent_error(nets, frozen, variables, rngs, train):
  """How far the latents of generated images are from those they came from.

  Reconstruction alone leaves many latents that G has never been trained on.
  """
  latents = jnp.repeat(_mapping(nets, frozen, rngs["z"])[:, None],
                       nets.generator.num_ws, 1)
  sample, _ = nets.generator.apply(
      frozen["generator"], latents, rngs["generated_noise"],
      method="synthesize")
  predicted, _ = networks.encode(
      nets.encoder, variables, sample.image, train=train)
  return jnp.square(predicted - latents).mean()


def _mapping(nets, frozen, z):
  return nets.generator.apply(frozen["generator"], z, method="mapping")


def _watched(config, nets) -> dict[str, Any]:
  """The stage's `sample` and `validate`."""

  @jax.jit
  def reconstruct(variables, frozen, image, key):
    latents = nets.encoder.apply(variables, image, train=False)
    noise = stylegan2.random_noise(
        key, len(image), nets.generator.noise_shapes)
    return nets.generator.apply(
        frozen["generator"], latents, noise, method="synthesize")[0]

  def segment(state, frozen, image):
    return reconstruct(state.encoder, frozen, data.to_float(image),
                       jax.random.key(config.seed)).logits

  def sample(state, frozen, key):
    batch = validation.first_batch(config, grids.COLUMNS)
    reconstructed = reconstruct(
        state.encoder, frozen, data.to_float(batch["image"]), key)
    rows = [batch["image"], image_ops.to_uint8(reconstructed.image)]
    if reconstructed.logits is not None:
      colors = data.dataset(config).spec.colors
      rows.append(image_ops.colorize(
          image_ops.to_label(reconstructed.logits), colors))
    return {"reconstructions": jnp.concatenate(
        [grids.tile(jax.device_get(r)) for r in rows])}

  return {"sample": sample if config.data.validation else None,
          "validate": validation.validator(config, segment)
          if nets.generator.label_channels else None}


def started_at(params, latent):
  """The encoder's parameters with `latent` [D] as the bias of every output."""

  def put(path, x):
    layer, name = (k.key for k in path[-2:])
    last = name == "bias" and layer in ("linear", "latents")
    return jnp.tile(latent, x.size // latent.size) if last else x

  return jax.tree_util.tree_map_with_path(put, params)


def learning_rate(config):
  """The schedule: cosine between the two steps of `config.encoder`.

  As in the official code a rate computed at the end of an iteration acts from
  the next one on.
  """
  c = config.encoder
  window = schedules.cosine_window(
      c.learning_rate, c.final_learning_rate, c.decay_start, c.decay_end)
  return lambda step: window(step - 1)


def label_losses(logits, label, ignore_index: int):
  """Cross entropy and Dice of the encoder's labeled step.

  Several classes: softmax of logits / 0.1, Dice on sigmoid(logits / 0.3)
  without the background; binary: both at 0.3 and Dice with its only channel.

  Args:
    logits: [N, H, W, C] from the label branch.
    label: [N, H, W] class indices.
    ignore_index: label of pixels that do not count.

  Returns (cross entropy, Dice loss), float32 scalars.
  """
  binary = logits.shape[-1] == 1
  return supervised.label_losses(
      logits, label, ignore_index, temperatures=(0.3 if binary else 0.1, 0.3),
      include_background=binary)

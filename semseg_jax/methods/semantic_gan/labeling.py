"""Labels images with a trained SemanticGAN: by the encoder, by inversion.

Section 3.4 of the paper (test-time optimization). Results are recorded
after several numbers of steps; 0 steps is the encoder alone.
"""

import jax

from semseg_jax import inversion
from semseg_jax.methods.common import feature_segmenter
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import inversion_options
from semseg_jax.methods.common import joint_networks
from semseg_jax.methods.common import networks
from semseg_jax.methods.common import perceptual as perceptual_lib
from semseg_jax.ops import image_ops
from semseg_jax.ops import segmentation_losses
from semseg_jax.training import mesh

NEEDED_BY = "labeling by inversion"


def method_name(config, step: int) -> str:
  """"encoder" (or "start") for 0 steps, "inversion" for all, else "...@n"."""
  if step == 0:
    return "encoder" if config.inversion.start == "encoder" else "start"
  return "inversion" + ("" if step == config.inversion.steps else f"@{step}")


def predictor(config, workdir):
  """predict(images, indices) of a run, for `evaluation.segmentation`.

  Args:
    workdir: its folder, with the trained stages `gan` and `encoder`.

  Returns a function of images uint8 [B, S, S, C] and their numbers [B] that
  gives {method: {"logits" [B, S, S, K], "reconstruction" uint8 [B, S, S, C],
  "confidence" [B]}}; the confidence is that of `_confidence`.
  """
  c = config.inversion
  generator = networks.generator(config)
  inverter, frozen = make_inverter(
      config, workdir, mesh.local_batch_sharding(
          c.batch_size, "config.inversion.batch_size"))
  confidence = _confidence(config, workdir, frozen)
  snapshots = inverter.options.snapshots
  key = jax.random.key(config.seed)
  mean = start(config, generator, frozen)

  def predict(images, indices):
    result = inverter.run(
        frozen, image_ops.from_uint8(images), indices, key, mean=mean)
    methods = {}
    for step in snapshots:
      image, logits = inverter.render(frozen, *result.snapshots[step])
      methods[method_name(config, step)] = {
          "logits": logits, "reconstruction": image_ops.to_uint8(image),
          "confidence": jax.device_get(
              confidence(frozen, images, logits))}
    return methods

  return predict


def uses_encoder(config) -> bool:
  """Whether the config's search needs the stage `encoder`."""
  c = config.inversion
  return bool(c.start == "encoder" or c.consistency_weight)


def start(config, generator, frozen):
  """The mean latent [D] for the search to start from; None: the encoder's."""
  if config.inversion.start != "mean":
    return None
  return generators.mean_latent(config, generator, frozen["generator"])


def _confidence(config, workdir, frozen):
  """confidence(frozen, images, logits) -> [B].

  Dm's mean score of images and labels; of a fitted head the mean largest
  probability.
  """
  if config.labels.head == "fitted":
    return jax.jit(lambda frozen, images, logits: jax.nn.softmax(
        logits).max(-1).mean((1, 2)))
  modules = joint_networks.make(config)
  if modules.pair_projected:
    frozen |= joint_networks.load_frozen(modules, config.pretrained)
  frozen["dm"] = generators.load_patch_discriminator(config, workdir, NEEDED_BY)

  @jax.jit
  def confidence(frozen, image, logits):
    label = segmentation_losses.one_hot(
        image_ops.to_label(logits), networks.label_channels(config))
    maps, _ = joint_networks.pair_maps(
        modules, frozen, frozen["dm"], image_ops.from_uint8(image),
        2 * label - 1, train=False)
    return sum(scale[-1].mean((1, 2, 3)) for scale in maps) / len(maps)

  return confidence


def make_inverter(config, workdir, sharding=None, *, head: bool = True,
                  batch_size: int | None = None):
  """The search that a config describes, over its trained networks.

  Args:
    workdir: its folder; None gives the networks' shapes instead.
    sharding: of a chunk's images, see `inversion.Inverter`.
    head: whether a fitted head is there to label what is rendered; without it
      there are no logits.
    batch_size: images per chunk; None: the config's.

  Returns (inverter, frozen): frozen has the variables "generator", "perceptual"
  and, where it is used, "encoder".
  """
  c = config.inversion
  generator, encoder = networks.generator(config), networks.encoder(config)
  # The encoder alone needs none of what may have to be installed.
  perceptual = perceptual_lib.make(
      config, workdir, NEEDED_BY) if c.steps else perceptual_lib.none()
  frozen = {"generator": generators.load_ema(config, workdir, NEEDED_BY),
            "perceptual": perceptual.load()}
  encoded = uses_encoder(config)
  if encoded:
    frozen["encoder"] = generators.load_encoder(config, workdir, NEEDED_BY)

  head = head and config.labels.head == "fitted"
  labels_of = feature_segmenter.labeler(
      config, generator, heads=config.labels.heads) if head else None
  if head:
    frozen["head"] = feature_segmenter.load(
        config, workdir, generator, "label_head", NEEDED_BY,
        heads=config.labels.heads)

  def encode(frozen, image):
    return encoder.apply(frozen["encoder"], image, train=False)

  if config.encoder.kind == "residual":  # it holds minibatch statistics
    encode = inversion.per_image(encode)
  search_networks = inversion_options.networks(
      generator, perceptual, labels_of=labels_of,
      encode=encode if encoded else None)
  options = inversion_options.options(
      config, tuple(sorted({0, c.steps, *c.snapshots})))
  return inversion.Inverter(
      search_networks, options, batch_size or c.batch_size, sharding), frozen

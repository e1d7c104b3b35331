"""Stage `label_head`: labels from a frozen generator's features.

For `labels.head = "fitted"`: the generator is trained on images alone, the few
labeled images are inverted into it, and a small segmenter of its feature maps
is fitted to their labels by cross entropy, as in DatasetGAN (Zhang et al., CVPR
2021, section 3) and EditGAN (Ling et al., NeurIPS 2021, section 3.1). Several
heads (`labels.heads`, 10 in DatasetGAN) are averaged, and where they disagree a
sample's label is uncertain.
"""

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.methods.common import checks
from semseg_jax.methods.common import data
from semseg_jax.methods.common import feature_segmenter
from semseg_jax.methods.common import grids
from semseg_jax.methods.common import hypercolumns
from semseg_jax.methods.common import networks
from semseg_jax.methods.semantic_gan import labeling
from semseg_jax.ops import image_ops
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = ("encoder", "few_shot", "gan", "generator", "hypercolumn",
          "image_discriminator", "inversion", "labels", "perceptual",
          "supervised")


def needs(config) -> tuple[str, ...]:
  """Stages whose networks this one is trained on."""
  return ("gan", *(("encoder",) if labeling.uses_encoder(config) else ()))


def make(config, workdir) -> stage.Stage:
  """The stage that `config` describes; without `workdir` its shapes alone."""
  if config.labels.head != "fitted":
    raise ValueError(
        f"config.labels.head is {config.labels.head!r}, so there is no stage "
        "'label_head' to train: set it to \"fitted\", or leave the stage out "
        "of config.stages")
  checks.labels(config, "label_head")
  generator = networks.generator(config)
  module = feature_segmenter.network(config)
  if not config.few_shot.steps:
    raise ValueError("config.few_shot.steps is 0: the head needs updates")
  if config.few_shot.epochs:
    raise ValueError(
        f"config.few_shot.epochs is {config.few_shot.epochs}, but this stage "
        "counts updates of one image: set config.few_shot.steps instead")
  heads = config.labels.heads
  if heads < 1:
    raise ValueError(f"config.labels.heads is {heads}; at least 1")
  labels_of = feature_segmenter.labeler(config, generator, heads=heads)
  layers = hypercolumns.names(config, generator)

  def load_frozen():
    images, labels = examples(config)
    if workdir is None:  # nothing is trained: shapes, for planning
      return {
          "maps": feature_segmenter.map_shapes(config, generator, len(images)),
          "label": labels, "image": images, "reconstruction": images}
    inverter, frozen = labeling.make_inverter(
        config, workdir, head=False,  # a chunk that is not filled up
        batch_size=min(len(images), config.inversion.batch_size))
    inverted = inverter.run(
        frozen, image_ops.from_uint8(images), np.arange(len(images)),
        jax.random.key(config.seed),
        mean=labeling.start(config, generator, frozen))
    reconstruction = image_ops.to_uint8(
        inverter.render(frozen, inverted.latents, inverted.noise)[0])
    extract = jax.jit(hypercolumns.extractor(
        config, generator, layers))
    return {"maps": hypercolumns.stacked(
        extract, frozen["generator"], inverted.latents, inverted.noise),
            "label": jnp.asarray(labels), "image": jnp.asarray(images),
            "reconstruction": jnp.asarray(reconstruction)}

  @jax.jit
  def label(params, maps):
    return image_ops.to_label(labels_of(
        params, dict(zip(layers, maps, strict=True))))

  def sample(state, frozen, key):
    del key
    colors = data.dataset(config).spec.colors
    shown = jax.tree.map(lambda x: x[:grids.COLUMNS], dict(frozen))
    predicted = [np.asarray(label(state.segmenter, maps))
                 for maps in hypercolumns.single(shown["maps"])]
    rows = [np.asarray(shown["image"]), np.asarray(shown["reconstruction"]), *(
        image_ops.colorize(np.asarray(x), colors)
        for x in (shown["label"], np.concatenate(predicted)))]
    return {"labeled": np.concatenate([grids.tile(r) for r in rows])}

  def train_data(start):
    labeled, _ = data.train_sources(config)
    return feature_segmenter.indices(config.seed, len(labeled), start)

  # The count of labeled images is known only once the data set is read.
  return feature_segmenter.build(
      config, module, feature_segmenter.example(config, generator), 1,
      load_frozen, heads=heads)._replace(sample=sample, train_data=train_data)


def examples(config):
  """The labeled images: (uint8 [n, S, S, C], labels int32 [n, S, S])."""
  labeled, _ = data.train_sources(config)
  # All of them in every process: they are no batch, which processes share.
  batch = next(data.source_batches(
      config, labeled, batch_size=len(labeled), start_step=0,
      augment=data.no_augmentation(), process_index=0, process_count=1))
  return batch["labeled"]["image"], batch["labeled"]["label"]

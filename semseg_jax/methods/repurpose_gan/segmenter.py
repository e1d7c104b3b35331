"""Stage `segmenter`: parts from a generator's features and a few labels.

Tritrong, Rewatbowornwong, Suwajanakorn, "Repurposing GANs for One-shot
Semantic Part Segmentation", CVPR 2021. The generator is frozen; its maps of the
labeled images are computed once. One update takes one image.
"""

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.methods.common import feature_segmenter
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import grids
from semseg_jax.methods.common import hypercolumns
from semseg_jax.methods.repurpose_gan import projection
from semseg_jax.methods.repurpose_gan import shots as shots_lib
from semseg_jax.ops import image_ops
from semseg_jax.training import stage

# Blocks of the config that the result depends on.
FIELDS = ("few_shot", "gan", "generator", "hypercolumn", "inversion",
          "perceptual", "segmenter", "shots", "supervised")


def unused(config) -> tuple[str, ...]:
  """Blocks of FIELDS that count for projected shots alone."""
  return () if config.shots.source == "projected" else (
      "inversion", "perceptual")


def make(config, workdir) -> stage.Stage:
  """The stage that `config` describes; without `workdir` its shapes alone."""
  source = shots_lib.source(config, workdir)
  generator = generators.module(config)
  module = feature_segmenter.network(config)
  names = hypercolumns.names(config, generator)
  extract = hypercolumns.extractor(config, generator, names)

  def load_frozen():
    if workdir is None:  # nothing is trained: shapes, for planning
      side, shape = hypercolumns.size(config), jax.ShapeDtypeStruct
      return {
          "maps": feature_segmenter.map_shapes(
              config, generator, source.count),
          "label": shape((source.count, side, side), jnp.int32),
          "image": shape(
              (source.count, side, side, config.data.channels), jnp.uint8)}
    trained_generator = generators.load(config, workdir, "stage 'segmenter'")
    shots = source.load(trained_generator)
    maps = hypercolumns.stacked(
        jax.jit(extract), trained_generator.variables, shots.latents,
        shots.noise)
    return {"maps": maps, "label": shots.label, "image": shots.image}

  @jax.jit
  def logits(params, maps):
    return module.apply({"params": params}, maps)

  def sample(state, frozen, key):
    del key
    colors = shots_lib.spec(config).colors
    predicted = [np.asarray(image_ops.to_label(logits(state.segmenter, maps)))
                 for maps in hypercolumns.single(frozen["maps"])]
    painted = np.asarray(frozen["label"])
    rows = [np.asarray(frozen["image"]), image_ops.colorize(painted, colors),
            image_ops.colorize(np.concatenate(predicted), colors)]
    return {"shots": np.concatenate([grids.tile(r) for r in rows])}

  return feature_segmenter.build(
      config, module, feature_segmenter.example(config, generator),
      source.count, load_frozen)._replace(sample=sample)


def load(config, workdir, needed_by: str):
  """The trained segmenter's parameters of a run."""
  return feature_segmenter.load(
      config, workdir, generators.module(config), "segmenter", needed_by)


def predictor(config, workdir, *, keep: bool = True):
  """predict(images, indices) -> {"inversion": {"logits", ...}} of a run.

  Images are inverted into the generator (`projection`, which may keep the
  latents in the run's folder); their features are segmented.
  """
  params = load(config, workdir, "labeling by inversion")
  project = projection.make(config, workdir, keep=keep)
  module = feature_segmenter.network(config)
  extract = hypercolumns.extractor(
      config, project.generator.module,
      hypercolumns.names(config, project.generator.module))

  @jax.jit
  def logits(params, variables, latents, noise):
    return module.apply(
        {"params": params}, extract(variables, latents, noise))

  def predict(images, indices):
    projected = project(images, indices)
    # One image at a time: hypercolumns are large.
    rows = [logits(params, project.generator.variables, latents, noise)
            for latents, noise in hypercolumns.single(
                (projected.latents, projected.noise))]
    return {"inversion": {
        "logits": np.concatenate(jax.device_get(rows)),
        "reconstruction": projected.image}}

  return predict

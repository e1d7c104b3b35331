"""Pseudo labels of a config: prototypes of the shots, labels of any sample.

Fewshot-SMIS, section 3.2. The arithmetic is in `ops/prototypes.py`; here the
config chooses between its variants and the generator's map they work on. Ours,
`pseudo.labeling = "fitted"`: instead of prototypes a small segmenter of several
maps, fitted to the shots as SemanticGAN's and RepurposeGAN's are
(`methods/common/feature_segmenter.py`).
"""

import itertools
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.methods.common import data
from semseg_jax.methods.common import feature_segmenter
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import hypercolumns
from semseg_jax.models import few_shot
from semseg_jax.models import stylegan2
from semseg_jax.ops import image_ops
from semseg_jax.ops import prototypes

LARGEST_MAP = 64  # px, of the map that is tapped by default
LARGEST = 256  # px: larger images are compared and annotated at this size


class Labeler(NamedTuple):
  """How samples of a generator are labeled."""
  layers: tuple[str, ...]  # names of the generator's maps
  size: int  # side of the labels, in cells
  num_classes: int  # classes of the labels, unknown included
  # (maps by layer, of [N, h, w, D], annotation [N, S, S] NumPy) -> what labels:
  # `prototypes.Prototypes`, or parameters of a segmenter.
  fit: Any
  label: Any  # (that, maps by layer) -> [N, size, size] int32; for use in jit
  shapes: Any  # maps by layer, of the shots -> that; for `jax.eval_shape`
  logits: Any = None  # (that, maps by layer) -> [N, size, size, K]; if fitted


def feature_layer(generator: stylegan2.Generator, name: str = "") -> str:
  """The map to label by: `name`, or by default the last one of at most 64 px.

  Raises ValueError: the generator has no such map.
  """
  if not name:
    return f"conv{min(LARGEST_MAP, generator.size)}"
  known = few_shot.layer_names(generator, first=4)
  if name not in known:
    raise ValueError(f"config.pseudo.layer is {name!r}; this generator has "
                     f"{', '.join(known)}, and '' stands for "
                     f"{feature_layer(generator)}")
  return name


def working_size(config) -> int:
  """Side of images and labels outside the generator."""
  return min(LARGEST, config.data.size)


def annotation_classes(config) -> int:
  """Classes of the annotations: the data's, and unknown for partial ones."""
  partial = config.shots.annotation != "mask"
  return config.data.num_classes + partial


def make(config, generator: stylegan2.Generator) -> Labeler:
  """The labeler that `config.pseudo` describes.

  Raises ValueError: a field has no meaning; it is named.
  """
  c = config.pseudo
  if c.labeling in ("dense", "nearest", "fitted") and (
      config.shots.annotation != "mask"):
    raise ValueError(
        f"config.pseudo.labeling is {c.labeling!r}, which needs whole "
        "masks: set config.shots.annotation to 'mask', or the labeling to "
        "'sparse'")
  if c.labeling == "fitted":
    return _segmenter(config, generator)
  layer = feature_layer(generator, c.layer)
  size = int(layer.removeprefix("conv").removesuffix("_up"))
  if size > working_size(config):
    raise ValueError(f"config.pseudo.layer is {layer!r}, but annotations have "
                     f"{working_size(config)} px: name a smaller map")
  classes = annotation_classes(config)
  vectors = lambda count: lambda maps: prototypes.Prototypes(
      maps[layer].astype(jnp.float32).reshape(-1, maps[layer].shape[-1])[
          :count], jnp.zeros(count or maps[layer][..., 0].size, jnp.int32))
  if c.labeling in ("dense", "nearest"):
    dense = lambda *args: prototypes.shown(prototypes.dense(*args))
    fit = jax.jit(dense if c.labeling == "dense"
                  else prototypes.every_cell, static_argnums=2)
    return Labeler(
        (layer,), size, classes,
        lambda maps, label: fit(maps[layer], label, classes),
        lambda annotated, maps: prototypes.label_dense(annotated, maps[layer]),
        vectors(classes if c.labeling == "dense" else None))
  if c.labeling != "sparse":
    raise ValueError(f"config.pseudo.labeling is {c.labeling!r}; use "
                     "'dense', 'nearest', 'fitted' or 'sparse'")
  if not 1 <= c.k <= size ** 2:
    raise ValueError(f"config.pseudo.k is {c.k}; use 1 to {size ** 2}, the "
                     f"cells of {layer}")

  def fit_sparse(maps, label):
    capacity = prototypes.annotated_cells(label, size)
    if not capacity:
      raise ValueError(
          "the shots' annotations mark no cell: each scribble or landmark "
          f"must cover a {size} x {size} cell's first pixel")
    return jax.jit(prototypes.sparse, static_argnums=2)(
        maps[layer], label, capacity)

  def label_sparse(annotated, maps):
    return prototypes.label_sparse(
        annotated, maps[layer], classes, k=c.k, threshold=c.threshold)

  return Labeler((layer,), size, classes, fit_sparse, label_sparse,
                  vectors(None))


def _segmenter(config, generator) -> Labeler:
  """A segmenter that `few_shot` and `hypercolumn` describe, as labeler."""
  size, working = hypercolumns.size(config), working_size(config)
  if not 0 < size <= working or working % size:
    raise ValueError(
        f"config.hypercolumn.size is {config.hypercolumn.size}, which means "
        f"{size} px; pseudo.labeling='fitted' takes {working}, the size of the "
        "annotations here, or what divides it")
  if config.pseudo.updates < 1:
    raise ValueError(f"config.pseudo.updates is {config.pseudo.updates}; the "
                     "segmenter of pseudo.labeling='fitted' needs 1 or more")
  layers = hypercolumns.names(config, generator)
  module = feature_segmenter.network(config)
  seen = lambda maps: tuple(maps[n] for n in layers)

  def fit(maps, label):
    label = prototypes.cells(
        np.where(label < 0, data.ignore_index(config), label), size)
    frozen = {"maps": seen(maps), "label": jnp.asarray(label)}
    made = feature_segmenter.build(
        config, module, frozen["maps"], len(label), lambda: frozen,
        steps=config.pseudo.updates)
    state = made.init(jax.random.key(config.seed), frozen)
    step = jax.jit(made.train_step, static_argnames="phase")
    for i, batch in enumerate(itertools.islice(
        made.train_data(0), made.steps)):
      rngs = made.rngs(jax.random.fold_in(jax.random.key(config.seed), i),
                       "step")
      state, _ = step(state, frozen, batch, rngs, phase="step")
    return state.segmenter

  logits = lambda params, maps: module.apply({"params": params}, seen(maps))
  return Labeler(
      layers, size, annotation_classes(config), fit,
      lambda params, maps: image_ops.to_label(logits(params, maps)),
      lambda maps: module.init(jax.random.key(0), jax.tree.map(
          lambda x: x[:1], seen(maps)))["params"], logits)


def prototypes_of(config, generator: generators.Trained, labeler: Labeler,
                  latents, annotation):
  """What labels, by the shots: one pass of the generator with random noise.

  Args:
    config: for the seed of the noise.
    generator: the trained generator.
    labeler: of `make`.
    latents: [N, L, D] of the shots.
    annotation: [N, S, S] integers.

  Returns what `labeler.label` takes.
  """
  module = generator.module

  @jax.jit
  def tapped(variables, latents, key):
    noise = stylegan2.random_noise(key, len(latents), module.noise_shapes)
    _, maps = module.apply(variables, latents, noise, method="synthesize")
    return {name: maps[name] for name in labeler.layers}

  maps = tapped(generator.variables, jnp.asarray(latents),
                jax.random.key(config.seed))
  return labeler.fit(maps, np.asarray(annotation))


def prototype_shapes(generator: generators.Trained, labeler: Labeler, latents):
  """`prototypes_of` as shapes, for planning; of sparse ones the most there are.

  Args:
    generator: with variables, or their shapes.
    labeler: of `make`.
    latents: shape [N, L, D] of the shots'.
  """
  return jax.eval_shape(
      lambda variables, latents: labeler.shapes(generator.module.apply(
          variables, latents, method="synthesize")[1]),
      generator.variables, latents)

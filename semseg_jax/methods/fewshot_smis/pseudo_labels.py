"""Pseudo labels of a config: prototypes of the shots, labels of any sample.

Fewshot-SMIS, section 3.2. The arithmetic is in `ops/prototypes.py`; here the
config chooses between its variants and the generator's map they work on.
"""

from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.methods.common import generator as trained
from semseg_jax.models import stylegan2
from semseg_jax.ops import prototypes

LARGEST_MAP = 64  # px, of the map that is tapped by default


class Labeller(NamedTuple):
  """How samples of a generator are labeled."""
  layer: str  # name of the generator's map
  size: int  # side of that map, in cells
  num_classes: int  # classes of the labels, unknown included
  fit: Any  # (features [N, h, w, D], annotation [N, S, S] NumPy) -> Prototypes
  label: Any  # (Prototypes, features) -> [N, h, w] int32; for use within jit
  # Whether there is a prototype for each annotated cell instead of each class.
  every_cell: bool


def feature_layer(generator: stylegan2.Generator, name: str = "") -> str:
  """The map to label by: `name`, or by default the last one of at most 64 px.

  Raises ValueError: the generator has no such map.
  """
  if not name:
    return f"conv{min(LARGEST_MAP, generator.size)}"
  known = [f"conv{generator.resolutions[0]}"] + [
      f"conv{r}{up}" for r in generator.resolutions[1:] for up in ("_up", "")]
  if name not in known:
    raise ValueError(f"config.pseudo.layer is {name!r}; this generator has "
                     f"{', '.join(known)}, and '' stands for "
                     f"{feature_layer(generator)}")
  return name


def annotation_classes(config) -> int:
  """Classes of the annotations: the data's, and unknown for partial ones."""
  partial = config.shots.annotation != "mask"
  return config.data.num_classes + partial


def make(config, generator: stylegan2.Generator) -> Labeller:
  """The labeller that `config.pseudo` describes.

  Raises ValueError: a field has no meaning; it is named.
  """
  c = config.pseudo
  layer = feature_layer(generator, c.layer)
  size = int(layer.removeprefix("conv").removesuffix("_up"))
  classes = annotation_classes(config)
  if c.labeling in ("dense", "nearest"):
    if config.shots.annotation != "mask":
      raise ValueError(
          f"config.pseudo.labeling is {c.labeling!r}, which needs whole "
          "masks: set config.shots.annotation to 'mask', or the labeling to "
          "'sparse'")
    fit = jax.jit(prototypes.dense if c.labeling == "dense"
                  else prototypes.every_cell, static_argnums=2)
    return Labeller(layer, size, classes,
                    lambda features, label: fit(features, label, classes),
                    prototypes.label_dense, c.labeling != "dense")
  if c.labeling != "sparse":
    raise ValueError(f"config.pseudo.labeling is {c.labeling!r}; use "
                     "'dense', 'nearest' or 'sparse'")
  if not 1 <= c.k <= size ** 2:
    raise ValueError(f"config.pseudo.k is {c.k}; use 1 to {size ** 2}, the "
                     f"cells of {layer}")

  def fit_sparse(features, label):
    capacity = prototypes.annotated_cells(label, size)
    if not capacity:
      raise ValueError(
          "the shots' annotations mark no cell: each scribble or landmark "
          f"must cover a {size} x {size} cell's first pixel")
    return jax.jit(prototypes.sparse, static_argnums=2)(
        features, label, capacity)

  def label_sparse(annotated, features):
    return prototypes.label_sparse(
        annotated, features, classes, k=c.k, threshold=c.threshold)

  return Labeller(layer, size, classes, fit_sparse, label_sparse, True)


def prototypes_of(config, generator: trained.Trained, labeller: Labeller,
                  latents, annotation) -> prototypes.Prototypes:
  """Prototypes of the shots: one pass of the generator with random noise.

  Args:
    config: for the seed of the noise.
    generator: the trained generator.
    labeller: of `make`.
    latents: [N, L, D] of the shots.
    annotation: [N, S, S] integers.
  """
  module = generator.module

  @jax.jit
  def tapped(variables, latents, key):
    noise = stylegan2.random_noise(key, len(latents), module.noise_shapes)
    _, features = module.apply(variables, latents, noise, method="synthesize")
    return features[labeller.layer]

  features = tapped(generator.variables, jnp.asarray(latents),
                    jax.random.key(config.seed))
  return labeller.fit(features, np.asarray(annotation))


def prototype_shapes(generator: trained.Trained, labeller: Labeller, latents
                     ) -> prototypes.Prototypes:
  """`prototypes_of` as shapes, for planning; of sparse ones the most there are.

  Args:
    generator: with variables, or their shapes.
    labeller: of `make`.
    latents: shape [N, L, D] of the shots'.
  """
  def vectors(variables, latents):
    _, features = generator.module.apply(
        variables, latents, method="synthesize")
    cells = features[labeller.layer].astype(jnp.float32)
    flat = cells.reshape(-1, cells.shape[-1])
    if not labeller.every_cell:
      flat = flat[:labeller.num_classes]
    return prototypes.Prototypes(flat, jnp.zeros(len(flat), jnp.int32))

  return jax.eval_shape(vectors, generator.variables, latents)

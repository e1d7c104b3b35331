"""Which feature maps of a generator a segmenter sees, and at which size."""

import jax
import jax.numpy as jnp

from semseg_jax.models import few_shot
from semseg_jax.ops import hypercolumn


def size(config) -> int:
  """Side of hypercolumns and of what is segmented."""
  return config.hypercolumn.size or config.data.size


def names(config, generator) -> tuple[str, ...]:
  """Names of the maps of `config.hypercolumn`."""
  c = config.hypercolumn
  return few_shot.layer_names(generator, first=c.first, names=tuple(c.layers))


def extractor(config, generator, layers):
  """maps(variables, latents [N, L, D], noise) -> tuple of [N, h, w, C].

  Maps that are larger than the hypercolumn are reduced to its size at once.
  """
  side = size(config)
  resize = config.hypercolumn.resize or few_shot.KINDS[
      config.few_shot.kind]["resize"]

  def extract(variables, latents, noise):
    _, maps = generator.apply(variables, latents, noise, method="synthesize")
    return hypercolumn.reduce(
        tuple(maps[n] for n in layers), (side, side), resize)

  return extract


def stacked(extract, variables, latents, noise):
  """`extract` of one image after the other, concatenated."""
  rows = [extract(variables, *row) for row in single((latents, tuple(noise)))]
  return jax.tree.map(lambda *x: jnp.concatenate(x), *rows)


def single(tree):
  """Yields the tree of each image, with a leading axis of one."""
  for i in range(len(jax.tree.leaves(tree)[0])):
    yield jax.tree.map(lambda x, i=i: x[i:i + 1], tree)

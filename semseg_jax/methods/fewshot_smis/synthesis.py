"""Images from layouts with a trained encoder; several by style mixing.

Fewshot-SMIS, section 3.4: a layout's latents are the encoder's; further images
of the same layout take some of the latents (the later ones, which set colors
and textures) from random latents.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.methods.common import data
from semseg_jax.methods.common import generators
from semseg_jax.methods.fewshot_smis import encoder as encoder_lib
from semseg_jax.methods.fewshot_smis import layout_search
from semseg_jax.methods.fewshot_smis import pseudo_labels
from semseg_jax.methods.fewshot_smis import shots as shots_lib
from semseg_jax.models import stylegan2
from semseg_jax.ops import image_ops

NEEDED_BY = "synthesis"


class Synthesizer:
  """A run's generator, encoder and pseudo labels, applied to batches.

  Any number of images is taken in batches of one size, so nothing compiles
  twice.

  Attributes:
    generator: the module.
    labeler: how samples are labeled.
    size: side S of layouts and images.
  """

  def __init__(self, config, workdir, *, encoder: bool = True):
    """Loads what the run's stages left; raises what is missing.

    Args:
      encoder: False leaves the encoder out: no `encode` then.
    """
    trained_generator = generators.load(config, workdir, NEEDED_BY)
    self.generator = trained_generator.module
    self.labeler = pseudo_labels.make(config, self.generator)
    self.size = pseudo_labels.working_size(config)
    module, variables = encoder_lib.load(
        config, workdir, self.generator, NEEDED_BY) if encoder else (None, {})
    self._config, self._workdir = config, workdir
    self._batch_size = config.synthesis.batch_size
    self._trained_generator = trained_generator
    self._frozen = {
        "generator": trained_generator.variables, "encoder": variables}
    generator, size, classes = (
        self.generator, self.size, self.labeler.num_classes)

    @jax.jit
    def encode(frozen, label):
      return module.apply(
          frozen["encoder"], encoder_lib.onehot(label, classes), train=False)

    self._search = layout_search.make(config, generator, self.labeler)
    self._prototypes = None

    @jax.jit
    def render(frozen, latents, noise):
      sample, _ = generator.apply(
          frozen["generator"], latents, noise, method="synthesize")
      return image_ops.to_uint8(image_ops.area_reduce(sample.image, size))

    @jax.jit
    def mix(frozen, latents, chosen, alpha, key):
      z = jax.random.normal(key, (len(latents), generator.style_dim))
      w = generator.apply(frozen["generator"], z, method="mapping")[:, None]
      return jnp.where(
          chosen[:, None], alpha * w + (1 - alpha) * latents, latents)

    @jax.jit
    def pairs(frozen, prototypes, rngs):
      return encoder_lib.pairs(
          generator, self.labeler, frozen["generator"], prototypes, rngs,
          size)

    self._encode, self._render, self._mix, self._pairs = (
        encode, render, mix, pairs)

  def encode(self, layouts) -> np.ndarray:
    """Layouts int [N, S, S] -> latents [N, L, D].

    The encoder's, or with `synthesis.steps` what a search from there gives.
    Pixels of the ignored label belong to no class.

    Raises:
      TypeError: layouts are no integers. ValueError: one holds no class.
    """
    layouts = self._checked(np.asarray(layouts))

    def run(i, layout):
      latents = self._encode(self._frozen, layout)
      return latents if self._search is None else self._search(
          self._frozen["generator"], self.prototypes(), latents, layout)

    return self._batched(run, layouts)

  def render(self, latents) -> np.ndarray:
    """Latents -> images uint8 [N, S, S, C], with the constant noise maps."""
    return self._batched(
        lambda i, x: self._render(self._frozen, x, None), latents)

  def mixed(self, latents, key, *, styles: Sequence[int], alpha: float = 1.0
            ) -> np.ndarray:
    """Images of the latents with some taken from a random latent each.

    Args:
      latents: [N, L, D].
      key: of latents and noise maps.
      styles: which latents are mixed; those past the last are left out.
      alpha: share of the random latent, 0..1.

    Returns uint8 [N, S, S, C].
    """
    chosen = np.isin(np.arange(self.generator.num_ws), list(styles))

    def run(i, latents):
      mix_key, noise_key = jax.random.split(jax.random.fold_in(key, i))
      noise = stylegan2.random_noise(
          noise_key, len(latents), self.generator.noise_shapes)
      return self._render(self._frozen, self._mix(
          self._frozen, latents, chosen, alpha, mix_key), noise)

    return self._batched(run, latents)

  def check_styles(self, styles: Sequence[int]):
    """Raises ValueError where there are styles, all past the last latent."""
    last = self.generator.num_ws - 1
    if styles and min(styles) > last:
      raise ValueError(
          f"--styles (config.synthesis.styles) {min(styles)} to {max(styles)}: "
          f"the generator has the latents 0 to {last}, none would be mixed")

  def random(self, n: int, key) -> np.ndarray:
    """Images of `n` random latents, uint8 [n, S, S, C]."""
    def run(i, rows):
      rngs = encoder_lib.draw(
          jax.random.fold_in(key, i), len(rows), self.generator)
      w = self.generator.apply(
          self._frozen["generator"], rngs["z"], method="mapping")
      return self._render(self._frozen, stylegan2.broadcast_latents(
          w, self.generator.num_ws), rngs["noise"])

    return self._batched(run, np.arange(n))

  def prototypes(self):
    """Prototypes of the run's shots; made, or fitted, once."""
    if self._prototypes is None:
      shots = shots_lib.load(self._config, self._workdir, NEEDED_BY)
      self._prototypes = pseudo_labels.prototypes_of(
          self._config, self._trained_generator, self.labeler, shots.latents,
          shots.label)
    return self._prototypes

  def pairs(self, n: int, key, prototypes=None
            ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples with pseudo labels.

    Args:
      key: of latents and noise.
      prototypes: None for the run's own.

    Returns:
      (latents [n, L, D], images uint8 [n, S, S, C], labels int32 [n, S, S]).
    """
    if prototypes is None:
      prototypes = self.prototypes()

    def run(i, rows):
      pair = self._pairs(self._frozen, prototypes, encoder_lib.draw(
          jax.random.fold_in(key, i), len(rows), self.generator))
      return (stylegan2.broadcast_latents(
          pair.latents, self.generator.num_ws),
              image_ops.to_uint8(pair.image), pair.label)

    return self._batched(run, np.arange(n))

  def _checked(self, layouts):
    """Layouts int32, without what the encoder would take for no class."""
    if layouts.dtype.kind not in "iu":
      raise TypeError(f"layouts are {layouts.dtype}; give class indices as "
                      "integers, such as int32")
    classes, ignored = self.labeler.num_classes, data.ignore_index(
        self._config)
    wrong = (layouts != ignored) & ((layouts < 0) | (layouts >= classes))
    if wrong.any():
      first = tuple(np.argwhere(wrong)[0])
      raise ValueError(
          f"layout {first[0]} holds {layouts[first]}; give class indices, 0 to "
          f"{classes - 1} ({ignored} = ignored)")
    return layouts.astype(np.int32)

  def _batched(self, run, rows):
    """run(number, batch) over batches of one size; the last is filled up."""
    parts, size = [], self._batch_size
    for i, first in enumerate(range(0, len(rows), size)):
      taken = np.minimum(np.arange(first, first + size), len(rows) - 1)
      count = min(size, len(rows) - first)
      parts.append(jax.tree.map(
          lambda x, n=count: np.asarray(x)[:n], run(i, rows[taken])))
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


def parse_styles(text: str) -> tuple[int, ...]:
  """Indices from a text such as "8-17" or "4,6,8-10"; "" is none.

  Raises ValueError: it is no such text.
  """
  indices = []
  for part in filter(None, text.split(",")):
    first, dash, last = part.partition("-")
    if not first.isdecimal() or dash and not (
        last.isdecimal() and int(first) <= int(last)):
      raise ValueError(f"styles {text!r}: give indices and rising ranges, such "
                       "as 8-17 or 4,6,8-10")
    indices += range(int(first), int(last or first) + 1)
  return tuple(indices)

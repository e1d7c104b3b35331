"""Real images into a generator's latents, saved in the run's folder.

There is no encoder: the search starts from the mean latent. Every segmenter of
a run shares the result, as it depends on the generator alone.
"""

from collections.abc import Callable
import hashlib
import json
from typing import NamedTuple

from absl import logging
from etils import epath
import jax
import numpy as np

from semseg_jax import inversion
from semseg_jax.methods.common import generators
from semseg_jax.methods.common import inversion_options
from semseg_jax.methods.common import perceptual as perceptual_lib
from semseg_jax.methods.common import samples
from semseg_jax.methods.common import trained
from semseg_jax.ops import image_ops
from semseg_jax.training import chunks
from semseg_jax.training import exported

NEEDED_BY = "inversion"
_FOLDER = "inversion"


class Projection(NamedTuple):
  """`find`: (images uint8 [N, S, S, C], indices [N]) -> the reconstructions."""
  generator: generators.Trained
  find: Callable[[np.ndarray, np.ndarray], samples.Samples]

  def __call__(self, images, indices) -> samples.Samples:
    return self.find(images, indices)


def make(config, workdir, *, keep: bool = True) -> Projection:
  """The inversion that `config.inversion` describes.

  Where results are kept, a batch that was inverted before, with the same
  generator and options, is read from `workdir`/inversion.

  Raises:
    ValueError: an encoder start, or a perceptual distance that is not there.
  """
  c = config.inversion
  if c.start != "mean" or c.consistency_weight:
    raise ValueError(
        "this method has no encoder: set config.inversion.start to 'mean' and "
        "config.inversion.consistency_weight to 0")
  generator = generators.load(config, workdir, NEEDED_BY)
  perceptual = _perceptual(config, workdir)
  frozen = {"generator": generator.variables, "perceptual": perceptual.load()}
  inverter = inversion.Inverter(
      inversion_options.networks(generator.module, perceptual),
      inversion_options.options(config, ()), c.batch_size)
  key = jax.random.key(config.seed)
  plain = json.loads(config.to_json_best_effort())
  state = json.dumps([
      samples.fingerprint(generator), perceptual.name, plain["inversion"],
      plain["perceptual"], config.seed, *_files(config)])
  # An exported file has no folder to keep results in.
  folder = epath.Path(workdir) / _FOLDER if keep and not (
      exported.is_file(workdir)) else None

  def find(images, indices):
    path = folder and folder / f"{_digest(state, images, indices)}.npz"
    projected = path and _read(path)
    if projected is None:
      result = inverter.run(
          frozen, image_ops.from_uint8(images), indices, key,
          mean=generator.mean)
      image, _ = inverter.render(frozen, result.latents, result.noise)
      projected = samples.Samples(
          image_ops.to_uint8(image), result.latents, result.noise)
      if path:
        _write(path, projected)
    return projected

  return Projection(generator, find)


def _files(config) -> list:
  """What the distance's files are; nothing where none is named."""
  named = {k: v for k, v in config.get("pretrained", {}).items() if v}
  named |= {k: v for k, v in trained.digests(config).items()
            if k == "perceptual.weights"}
  return [named] if named else []


def _perceptual(config, workdir):
  """The config's distance; none at all at weight 0."""
  if config.inversion.perceptual_weight:
    if config.generator.weights and (
        perceptual_lib.kind(config) == "discriminator"):
      raise ValueError(
          "config.generator.weights brings no discriminator to compare "
          "images with: give a converted LPIPS file in "
          "config.perceptual.weights, set config.perceptual.kind to "
          "'efficientnet', or set "
          "config.inversion.perceptual_weight to 0 and "
          "config.inversion.mse_weight to 1")
    return perceptual_lib.make(config, workdir, NEEDED_BY)
  return perceptual_lib.none()


def _digest(state, images, indices):
  digest = hashlib.sha256(state.encode())
  digest.update(np.ascontiguousarray(images).tobytes())
  digest.update(np.asarray(indices, np.int64).tobytes())
  return digest.hexdigest()[:24]


def _read(path):
  if not path.exists():
    return None
  try:
    arrays = chunks.read(path)
    return samples.Samples(arrays["image"], arrays["latents"], tuple(
        arrays[f"noise{i}"] for i in range(len(arrays) - 2)))
  except chunks.DAMAGED as error:
    logging.warning("%s is unreadable (%s): inverted again", path, error)
    return None


def _write(path, projected):
  path.parent.mkdir(parents=True, exist_ok=True)
  chunks.write(path, {
      "image": projected.image, "latents": projected.latents,
      **{f"noise{i}": x for i, x in enumerate(projected.noise)}})

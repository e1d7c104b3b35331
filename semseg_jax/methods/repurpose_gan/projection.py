"""Real pictures into a generator's latents, kept in the run's folder.

There is no encoder: the search starts from the mean code. Every segmenter of a
run shares what is found here, as it depends on the generator alone.
"""

from collections.abc import Callable
import hashlib
import io
import json
from typing import NamedTuple
import zipfile

from absl import logging
from etils import epath
import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax import inversion
from semseg_jax.methods.common import generator as trained
from semseg_jax.methods.common import inversion_options
from semseg_jax.methods.common import perceptual as perceptual_lib
from semseg_jax.methods.common import samples
from semseg_jax.ops import images

NEEDED_BY = "inversion"
_FOLDER = "inversion"


class Projected(NamedTuple):
  """image: uint8 [N, S, S, C] as redrawn; codes [N, L, D]; noise maps."""
  image: np.ndarray
  codes: np.ndarray
  noise: tuple[np.ndarray, ...]


class Projection(NamedTuple):
  """`find`: (pictures uint8 [N, S, S, C], indices [N]) -> Projected."""
  generator: trained.Trained
  find: Callable[[np.ndarray, np.ndarray], Projected]

  def __call__(self, pictures, indices) -> Projected:
    return self.find(pictures, indices)


def make(config, workdir) -> Projection:
  """The inversion that `config.inversion` describes.

  A batch that was inverted before, with the same generator and options, is read
  from `workdir`/inversion.

  Raises:
    ValueError: an encoder start, or a perceptual distance that is not there.
  """
  c = config.inversion
  if c.start != "mean" or c.consistency:
    raise ValueError(
        "this method has no encoder: set config.inversion.start to 'mean' and "
        "config.inversion.consistency to 0")
  generator = trained.load(config, workdir, NEEDED_BY)
  perceptual = _perceptual(config, workdir)
  module = generator.module
  frozen = {"generator": generator.variables, "perceptual": perceptual.load()}

  def generate(frozen, codes, noise):
    sample, _ = module.apply(
        frozen["generator"], codes, noise, method="synthesize")
    return sample.image, None

  inverter = inversion.Inverter(
      inversion.Networks(
          num_codes=module.num_codes, noise_shapes=module.noise_shapes,
          generate=generate,
          features=lambda f, x: perceptual.features(f["perceptual"], x),
          distance=lambda f, a, b: perceptual.distance(f["perceptual"], a, b)),
      inversion_options.options(config, ()), c.batch_size)
  key = jax.random.key(config.seed)
  plain = json.loads(config.to_json_best_effort())
  state = json.dumps([samples.fingerprint(generator), perceptual.name,
                      plain["inversion"], plain["perceptual"], config.seed])
  folder = epath.Path(workdir) / _FOLDER

  def find(pictures, indices):
    path = folder / f"{_digest(state, pictures, indices)}.npz"
    found = _read(path)
    if found is None:
      result = inverter.run(
          frozen, images.from_uint8(pictures), indices, key,
          mean=generator.mean)
      image, _ = inverter.render(frozen, result.codes, result.noise)
      found = Projected(images.to_uint8(image), result.codes, result.noise)
      _write(path, found)
    return found

  return Projection(generator, find)


def _perceptual(config, workdir):
  """The config's distance; none at all at weight 0."""
  if config.inversion.perceptual:
    if config.generator.weights and not config.perceptual.weights:
      raise ValueError(
          "config.generator.weights brings no discriminator to compare "
          "pictures with: give a converted LPIPS file in "
          "config.perceptual.weights, or set config.inversion.perceptual to 0 "
          "and config.inversion.mse to 1")
    return perceptual_lib.make(config, workdir, NEEDED_BY)
  return perceptual_lib.Perceptual(
      "none", dict, lambda v, x: x,
      lambda v, a, b: jnp.zeros(len(a), jnp.float32))


def _digest(state, pictures, indices):
  digest = hashlib.sha256(state.encode())
  digest.update(np.ascontiguousarray(pictures).tobytes())
  digest.update(np.asarray(indices, np.int64).tobytes())
  return digest.hexdigest()[:24]


def _read(path):
  if not path.exists():
    return None
  try:
    with path.open("rb") as f, np.load(f, allow_pickle=False) as z:
      count = len(z.files) - 2
      return Projected(z["image"], z["codes"], tuple(
          z[f"noise{i}"] for i in range(count)))
  except (OSError, ValueError, EOFError, KeyError,
          zipfile.BadZipFile) as error:
    logging.warning("%s is unreadable (%s): inverted again", path, error)
    return None


def _write(path, found):
  """A reader sees all of the file or nothing."""
  path.parent.mkdir(parents=True, exist_ok=True)
  content = io.BytesIO()
  np.savez(content, image=found.image, codes=found.codes, **{
      f"noise{i}": x for i, x in enumerate(found.noise)})
  temporary = path.with_name(f"{path.name}.tmp")
  temporary.write_bytes(content.getvalue())
  temporary.replace(path)

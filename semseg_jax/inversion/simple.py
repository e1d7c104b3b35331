"""Inversion of images with any generator function, without a run."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.inversion import inverter
from semseg_jax.inversion import options as options_lib
from semseg_jax.ops import image_ops


class Inversion(NamedTuple):
  """latents [N, L, D]; noise: tuple of [N, h, w, 1]; images: uint8
  [N, S, S, C], reconstructed; losses: {term: [steps, N]}."""
  latents: np.ndarray
  noise: tuple[np.ndarray, ...]
  images: np.ndarray
  losses: dict[str, np.ndarray]


def invert(images, generate, variables, mean, *, num_ws: int = 1,
           noise_shapes=(), distance=None, steps: int = 200,
           learning_rate: float = 0.1, batch_size: int = 8, seed: int = 0
           ) -> Inversion:
  """Latents that make a generator reproduce images.

    def generate(variables, latents, noise):  # [N, 1, D] -> [N, S, S, 3]
      return my_network.apply(variables, latents[:, 0])

    result = semseg_jax.invert(images, generate, variables, numpy.zeros(64))
    result.latents, result.images

  Adam from the mean latent (Li et al., CVPR 2021, section 3.4).

  Args:
    images: uint8 [N, S, S, C] at the generator's size.
    generate: (variables, latents [N, L, D], noise) -> images [N, S, S, C],
      floats in [-1, 1]; each image depends on its own row alone.
    variables: the generator's, any pytree.
    mean: [D], the latent to start from.
    num_ws: L.
    noise_shapes: (height, width) of the noise maps, if `generate` takes some.
    distance: (variables, images, images) -> [N], a perceptual one, beside the
      squared error at a tenth of its weight; None: the squared error alone.
    steps: of the search.
    learning_rate: at its plateau.
    batch_size: images at once.
    seed: of the noise maps' starts, from 0 to 2**32 - 1.

  Raises:
    TypeError: images are not uint8. ValueError: they are not [N, S, S, C], or
      not of the shape that `generate` makes; a count is 0, or the seed outside
      its range. FloatingPointError: the search has diverged.
  """
  images = np.asarray(images)
  if images.dtype != np.uint8:
    raise TypeError(f"images have dtype {images.dtype}; give uint8 in [0, 255]")
  if images.ndim != 4:
    raise ValueError(f"images have shape {images.shape}; give [N, S, S, C]")
  if min(len(images), num_ws, batch_size) < 1:
    raise ValueError(f"{len(images)} images, num_ws {num_ws}, batch_size "
                     f"{batch_size}: give 1 or more of each")
  if not 0 <= seed < 2**32:  # JAX would take the last 32 bits
    raise ValueError(f"seed is {seed}; give 0 to {2**32 - 1}")
  mean = jnp.asarray(mean, jnp.float32)
  made = jax.eval_shape(
      generate, variables, jnp.zeros((1, num_ws, mean.shape[-1])),
      tuple(jnp.zeros((1, *shape, 1)) for shape in noise_shapes))
  if made.shape[1:] != images.shape[1:]:  # it might broadcast
    raise ValueError(f"images have shape {images.shape}, but generate makes "
                     f"images of {made.shape[1:]}")
  weights = options_lib.MEAN_START
  if distance is None:
    weights = weights._replace(perceptual=0.0, mse=1.0)
  if not noise_shapes:
    weights = weights._replace(noise=0.0)
  search = inverter.Inverter(
      options_lib.Networks(
          num_ws=num_ws, noise_shapes=tuple(noise_shapes),
          generate=lambda v, latents, noise: (
              generate(v, latents, noise), None),
          features=lambda v, x: x,
          distance=distance or (lambda v, a, b: jnp.zeros(len(a)))),
      options_lib.Options(
          steps=steps, learning_rate=learning_rate, start="mean",
          optimize_noise=bool(noise_shapes), weights=weights,
          loss_size=images.shape[1]),
      min(batch_size, len(images)))
  result = search.run(
      variables, image_ops.from_uint8(images), np.arange(len(images)),
      jax.random.key(seed), mean=mean)
  rendered, _ = search.render(variables, result.latents, result.noise)
  if not all(np.isfinite(x).all() for x in (
      result.latents, *result.noise, rendered)):
    raise FloatingPointError(
        "the search has found latents, noise or images that are not finite: "
        "give a smaller learning_rate, or look for NaN in variables and mean")
  return Inversion(result.latents, result.noise,
                   np.asarray(image_ops.to_uint8(rendered)), result.losses)

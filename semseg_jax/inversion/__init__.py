"""Latents and noise maps that make a frozen generator reproduce images.

Test-time inversion of SemanticGAN (Li et al., CVPR 2021, section 3.4), a chunk
of images at a time: Adam on the W+ latents and the noise maps of each image,
for the perceptual distance to it, its squared error and priors. The label of an
image is then what the generator's label branch gives.

An image's result depends on its own pixels, index and the key only: not on the
other images of its chunk, on padding, or on how the loop is cut.
"""

import jax
import jax.numpy as jnp

from semseg_jax.inversion.inverter import Inverter
from semseg_jax.inversion.inverter import Result
from semseg_jax.inversion.options import MEAN_START
from semseg_jax.inversion.options import Networks
from semseg_jax.inversion.options import Options
from semseg_jax.inversion.options import Weights

__all__ = [
    "Inverter", "MEAN_SAMPLES", "MEAN_START", "Networks", "Options", "Result",
    "Weights", "mean_latent", "per_image"]

# Latents averaged for the mean latent, as in the official code.
MEAN_SAMPLES = 10_000


def mean_latent(mapping, frozen, z) -> jax.Array:
  """Mean of mapped latents, where the mean start begins.

  Args:
    mapping: (frozen, z) -> w [n, D].
    frozen: the generator's variables.
    z: [n, D] standard normal samples, n = `MEAN_SAMPLES` in the official code.

  Returns [D].
  """
  return jnp.mean(jax.jit(mapping)(frozen, z), axis=0)


def per_image(encode):
  """Applies a batch-dependent `encode` to each image on its own.

  For encoders with minibatch statistics (such as the residual one), whose
  latents would otherwise depend on an image's neighbors.
  """
  def alone(frozen, image):
    # The parameters are not mapped, so the convolutions stay batched ones.
    return jax.vmap(lambda x: encode(frozen, x[None])[0])(image)
  return alone

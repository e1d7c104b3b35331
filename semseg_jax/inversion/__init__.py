"""Codes and noise maps that make a frozen generator redraw given pictures.

Test-time inversion of SemanticGAN (Li et al., CVPR 2021, section 3.4), a chunk
of pictures at a time: Adam on the latent codes and the noise maps of each
picture, for the perceptual distance to it, its squared error and priors. The
label of a picture is then what the generator's label branch draws.

A picture's result depends on its own pixels, index and the key only: not on the
other pictures of its chunk, on padding, or on how the loop is cut.
"""

import jax
import jax.numpy as jnp

from semseg_jax.inversion.inverter import Inverter
from semseg_jax.inversion.inverter import Result
from semseg_jax.inversion.options import MEAN_START
from semseg_jax.inversion.options import Networks
from semseg_jax.inversion.options import Options
from semseg_jax.inversion.options import Weights
from semseg_jax.inversion.quasi_newton import lbfgs

__all__ = [
    "Inverter", "MEAN_SAMPLES", "MEAN_START", "Networks", "Options", "Result",
    "Weights", "lbfgs", "mean_code", "per_picture"]

MEAN_SAMPLES = 10_000  # Latents averaged for the mean code in the release.


def mean_code(mapping, frozen, z) -> jax.Array:
  """Mean of mapped latents, where the mean start begins.

  Args:
    mapping: (frozen, z) -> w [n, D].
    frozen: the generator's variables.
    z: [n, D] standard normal draws, n = `MEAN_SAMPLES` in the release.

  Returns:
    [D].
  """
  return jnp.mean(jax.jit(mapping)(frozen, z), axis=0)


def per_picture(encode):
  """Applies a batch-dependent `encode` to each picture on its own.

  For encoders with minibatch statistics (such as the residual one), whose
  codes would otherwise depend on a picture's neighbours.
  """
  def alone(frozen, image):
    # The parameters are not mapped, so the convolutions stay batched ones.
    return jax.vmap(lambda x: encode(frozen, x[None])[0])(image)
  return alone

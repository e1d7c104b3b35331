"""Sample grids: images beside, or above, their colored labels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from semseg_jax.methods.common import data
from semseg_jax.methods.common import networks
from semseg_jax.methods.common import validation
from semseg_jax.models import stylegan2
from semseg_jax.ops import image_ops

COLUMNS = 8
_SAMPLES = 64  # of a GAN's grid


def tile(images: np.ndarray, columns: int = COLUMNS) -> np.ndarray:
  """[N, H, W, C] uint8 -> one [rows*H, columns*W, 3] uint8 image."""
  n, h, w, c = images.shape
  images = np.broadcast_to(images, (n, h, w, 3)) if c == 1 else images
  rows = -(-n // columns)
  canvas = np.zeros((rows * columns, h, w, 3), np.uint8)
  canvas[:n] = images
  canvas = canvas.reshape(rows, columns, h, w, 3).transpose(0, 2, 1, 3, 4)
  return canvas.reshape(rows * h, columns * w, 3)


@functools.partial(jax.jit, static_argnums=(0, 1))
def generated(generator, n: int, variables, key):
  """(images uint8, labels int32 or None) of `n` samples of G."""
  z_key, noise_key = jax.random.split(key)
  z = jax.random.normal(z_key, (n, generator.style_dim))
  noise = stylegan2.random_noise(noise_key, n, generator.noise_shapes)
  sample, _ = generator.apply(variables, z, noise)
  labels = None if sample.logits is None else image_ops.to_label(sample.logits)
  return image_ops.to_uint8(sample.image), labels


def sampler(config, generator):
  """sample(state, frozen, key) of a GAN stage: grids from the averaged G."""

  def sample(state, frozen, key):
    del frozen
    images, labels = jax.device_get(
        generated(generator, _SAMPLES, {"params": state.ema}, key))
    grid = {"samples": tile(images)}
    if networks.branch_channels(config):
      colors = data.dataset(config).spec.colors
      grid["labels"] = tile(image_ops.colorize(labels, colors))
    return grid

  return sample


def labeler(config, segment):
  """sample(state, frozen, key) of a segmenter: validation images, labeled.

  Args:
    segment: (state, images uint8) -> logits.

  Returns None without a validation split.
  """
  if not config.data.validation:
    return None

  def sample(state, frozen, key):
    del frozen, key
    batch = validation.first_batch(config, COLUMNS)
    predicted = image_ops.to_label(segment(state, batch["image"]))
    colors = data.dataset(config).spec.colors
    return {"labels": jnp.concatenate([
        tile(batch["image"]),
        tile(image_ops.colorize(jax.device_get(predicted), colors))])}

  return sample

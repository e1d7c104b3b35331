"""Regulariser and normalisation of noise maps (StyleGAN2, appendix D).

A noise tuple holds one [N or 1, h, w, 1] map per styled convolution.
"""

import jax.numpy as jnp


def noise_regulariser(noise):
  """Squared autocorrelation of the maps over scales, for each image.

  At every scale down to 8 pixels: the squared mean of the map's product with
  itself rolled by one, in x and in y; then 2x2 averages.

  Args:
    noise: tuple of [N, h, w, 1], h and w at most 8 or even until they are.

  Returns [N] float32, summed over maps and scales.
  """
  total = 0.0
  for maps in noise:
    x = maps[..., 0].astype(jnp.float32)
    total += _autocorrelation(x)
    while x.shape[1] > 8:
      x = _halve(x)
      total += _autocorrelation(x)
  return total


def normalise_noise(noise):
  """Each map of each image, with mean 0 and unbiased standard deviation 1."""
  return tuple(_normalise(maps) for maps in noise)


def _normalise(maps):
  centred = maps - jnp.mean(maps, axis=(1, 2, 3), keepdims=True)
  return centred / jnp.std(centred, axis=(1, 2, 3), ddof=1, keepdims=True)


def _autocorrelation(x):
  """Squared mean products with the rolled map; x [N, h, w] -> [N]."""
  # Slices instead of a roll: no copy of the map in forward or backward.
  area = x.shape[1] * x.shape[2]
  along_x = jnp.sum(x[:, :, 1:] * x[:, :, :-1], axis=(1, 2))
  along_x += jnp.sum(x[:, :, 0] * x[:, :, -1], axis=1)
  along_y = jnp.sum(x[:, 1:] * x[:, :-1], axis=(1, 2))
  along_y += jnp.sum(x[:, 0] * x[:, -1], axis=1)
  return jnp.square(along_x / area) + jnp.square(along_y / area)


def _halve(x):
  if x.shape[1] % 2 or x.shape[2] % 2:
    raise ValueError(f"a noise map of {x.shape[1:]} has no 2x2 average")
  top, bottom = x[:, 0::2], x[:, 1::2]
  return (
      top[:, :, 0::2] + top[:, :, 1::2]
      + bottom[:, :, 0::2] + bottom[:, :, 1::2]) * 0.25

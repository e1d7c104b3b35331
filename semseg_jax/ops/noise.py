"""Regularizer and normalization of noise maps (StyleGAN2, appendix D).

A noise tuple holds one [N or 1, h, w, 1] map per styled convolution.
"""

import collections
import math

import jax.numpy as jnp


def noise_regulariser(noise):
  """Squared autocorrelation of the maps over scales, for each image.

  At every scale down to 8 pixels: the squared mean of the map's product with
  itself rolled by one, in x and in y; then 2x2 averages.

  Args:
    noise: tuple of [N, h, w, 1], h and w at most 8 or even until they are.

  Returns [N] float32, summed over maps and scales.
  """
  maps = collections.defaultdict(list)  # of one size, [N, M, h, w]
  for x in noise:
    maps[x.shape[:3]].append(x[..., 0].astype(jnp.float32)[:, None])
  total = 0.0
  while maps:
    # Maps of one size are one array: hundreds of small kernels cost more on a
    # GPU than what they compute.
    shape = max(maps, key=lambda shape: math.prod(shape[1:]))
    x = jnp.concatenate(maps.pop(shape), axis=1)
    total += _autocorrelation(x)
    if shape[1] > 8:
      x = _halve(x)
      maps[x.shape[0], *x.shape[2:]].append(x)
  return total


def normalise_noise(noise):
  """Each map of each image, with mean 0 and unbiased standard deviation 1."""
  return tuple(_normalise(maps) for maps in noise)


def _normalise(maps):
  axes = (1, 2, 3)
  centred = maps - jnp.mean(maps, axis=axes, keepdims=True)
  variance = jnp.sum(jnp.square(centred), axis=axes, keepdims=True) / (
      math.prod(maps.shape[1:]) - 1)
  return centred / jnp.sqrt(variance)


def _autocorrelation(x):
  """Squared mean products with the rolled map; x [N, M, h, w] -> [N]."""
  # Slices instead of a roll: no copy of the map in forward or backward.
  area = x.shape[2] * x.shape[3]
  along_x = jnp.sum(x[..., 1:] * x[..., :-1], axis=(2, 3))
  along_x += jnp.sum(x[..., 0] * x[..., -1], axis=2)
  along_y = jnp.sum(x[:, :, 1:] * x[:, :, :-1], axis=(2, 3))
  along_y += jnp.sum(x[:, :, 0] * x[:, :, -1], axis=2)
  squares = jnp.square(along_x / area) + jnp.square(along_y / area)
  return squares.sum(1)


def _halve(x):
  if x.shape[2] % 2 or x.shape[3] % 2:
    raise ValueError(f"a noise map of {x.shape[2:]} has no 2x2 average")
  top, bottom = x[:, :, 0::2], x[:, :, 1::2]
  return (
      top[..., 0::2] + top[..., 1::2]
      + bottom[..., 0::2] + bottom[..., 1::2]) * 0.25

"""Random affine changes of images and maps inside a compiled step."""

import math

import jax
import jax.numpy as jnp


def affine_rngs(key, n: int) -> dict[str, jax.Array]:
  """Everything random about moving `n` samples: arrays [n] in [0, 1)."""
  names = ("angle", "shift_y", "shift_x", "scale", "flip")
  return dict(zip(names, jax.random.uniform(key, (len(names), n)), strict=True))


def positions(rngs, height: int, width: int, *, degrees: float, shift: float,
              scale: tuple[float, float], flip: float):
  """Where each pixel of the moved samples is read.

  Args:
    rngs: from `affine_rngs`.
    height, width: of the samples.
    degrees: largest rotation, to each side.
    shift: largest translation over the side, to each direction.
    scale: (smallest, largest) magnification.
    flip: probability of a mirror image.

  Returns [N, H, W, 2]: row and column in pixels, outside the map where it ends.
  """
  centred = lambda name: 2 * rngs[name][:, None, None] - 1
  angle = centred("angle") * math.radians(degrees)
  size = scale[0] + rngs["scale"][:, None, None] * (scale[1] - scale[0])
  y = jnp.arange(height)[None, :, None] - (height - 1) / 2
  x = jnp.arange(width)[None, None, :] - (width - 1) / 2
  y = (y - centred("shift_y") * shift * height) / size
  x = (x - centred("shift_x") * shift * width) / size
  y, x = (jnp.cos(angle) * y + jnp.sin(angle) * x,
          jnp.cos(angle) * x - jnp.sin(angle) * y)
  x = jnp.where(rngs["flip"][:, None, None] < flip, -x, x)
  return jnp.stack([y + (height - 1) / 2, x + (width - 1) / 2], -1)


def read(maps, at):
  """Bilinear values of [N, H, W, C] at positions `at`; beyond, the border's.

  Returns:
    (values [N, H, W, C], inside [N, H, W] float32: 1 within the map, else 0).
  """
  n, height, width, channels = maps.shape
  edge = jnp.array([height - 1, width - 1], at.dtype)
  inside = jnp.all((at >= -0.5) & (at <= edge + 0.5), -1)
  at = jnp.clip(at, 0, edge)
  low = jnp.floor(at).astype(jnp.int32)
  high = jnp.minimum(low + 1, edge.astype(jnp.int32))
  part = (at - low).astype(maps.dtype)
  flat = maps.reshape(n, height * width, channels)

  def pick(rows, columns):
    index = (rows * width + columns).reshape(n, -1, 1)
    values = jnp.take_along_axis(flat, index, axis=1)
    return values.reshape(n, *at.shape[1:3], channels)

  py, px = part[..., :1], part[..., 1:]
  top = (1 - px) * pick(low[..., 0], low[..., 1]) + px * pick(
      low[..., 0], high[..., 1])
  bottom = (1 - px) * pick(high[..., 0], low[..., 1]) + px * pick(
      high[..., 0], high[..., 1])
  return (1 - py) * top + py * bottom, inside.astype(jnp.float32)

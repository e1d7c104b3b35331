"""Fields over the pixel grid: coordinates, signed distances, noise, painting.

Everything is float32 over [S, S]; x runs right and y down, both over [-1, 1].
Signed distances are negative inside and in the same units.
"""

import functools

import numpy as np


@functools.lru_cache(maxsize=8)
def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
  """Pixel centers (x, y), each [size, size]; read only."""
  c = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1)
  y, x = np.meshgrid(c, c, indexing="ij")
  return x, y


def turn(x, y, degrees):
  """Coordinates seen from axes turned by `degrees`."""
  a = np.float32(np.deg2rad(degrees))
  cos, sin = np.cos(a), np.sin(a)
  return cos * x + sin * y, cos * y - sin * x


def ellipse(x, y, rx, ry):
  """Distance to an axis-aligned ellipse about 0, exact to first order.

  rx, ry may be fields, so that the outline bulges.
  """
  u, v = x / rx, y / ry
  k0 = np.sqrt(u * u + v * v)
  u, v = u / rx, v / ry
  return k0 * (k0 - 1) / np.sqrt(u * u + v * v + np.float32(1e-6))


def box(x, y, rx, ry, radius=0.0):
  """Distance to a box about 0 with rounded corners."""
  dx, dy = np.abs(x) - (rx - radius), np.abs(y) - (ry - radius)
  outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
  return outside + np.minimum(np.maximum(dx, dy), 0) - radius


def polygon(x, y, corners):
  """Distance to a convex polygon, corners [n, 2] clockwise on the screen."""
  d = np.float32(-np.inf)
  for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, 0), strict=True):
    ex, ey = x1 - x0, y1 - y0
    d = np.maximum(d, ((x - x0) * ey - (y - y0) * ex) / np.hypot(ex, ey))
  return d


def smooth_min(a, b, radius):
  """Union of two shapes with a fillet of about `radius`."""
  h = np.maximum(radius - np.abs(a - b), 0) / radius
  return np.minimum(a, b) - h * h * (radius / 4)


def smoothstep(x, low, high):
  """0 below `low`, 1 above `high`, smooth between."""
  t = np.clip((x - low) / (high - low), 0, 1)
  return t * t * (3 - 2 * t)


@functools.lru_cache(maxsize=64)
def _cubic_basis(size, cells):
  """[size, cells + 3]: uniform B-spline weights of control values."""
  t = (np.arange(size) + 0.5) / size * cells
  i = np.minimum(t.astype(int), cells - 1)
  f = t - i
  weights = np.stack([
      (1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4,
      -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3]) / 6
  basis = np.zeros((size, cells + 3), np.float32)
  for k in range(4):
    basis[np.arange(size), i + k] = weights[k]
  return basis


def noise(rng, size, cells_y, cells_x=None):
  """Smooth noise of about unit variance with blobs of size / cells pixels."""
  by = _cubic_basis(size, cells_y)
  bx = _cubic_basis(size, cells_x or cells_y)
  values = rng.standard_normal((by.shape[1], bx.shape[1]), np.float32) * 2
  # Row by row: a product this small gains nothing from BLAS threads and loses
  # much to them when the cores are busy.
  return (by[:, None] @ (values @ bx.T))[:, 0]


def clouds(rng, size, cells, octaves=3):
  """Sum of noises, each twice as fine and half as strong as the one before."""
  return sum(noise(rng, size, cells << k) / (1 << k) for k in range(octaves))


def cover(distance, pixel):
  """How much of a pixel of width `pixel` lies inside, in [0, 1]."""
  return np.clip(0.5 - distance / pixel, 0, 1)


def paint(canvas, alpha, color):
  """Blends `color` ([3] or [3, S, S]) over canvas [3, S, S], in place.

  Planes come first here: NumPy is slow over a last axis of three.
  """
  canvas += alpha * (color.reshape(3, *color.shape[1:] or (1, 1)) - canvas)


def tint(color, shade):
  """A color [3] under a shade [S, S]: [3, S, S]."""
  return color[:, None, None] * shade


def shrink(canvas, factor):
  """Mean over factor x factor blocks of planes [C, S, S], as [s, s, C]."""
  rows = sum(canvas[:, i::factor] for i in range(factor))
  small = sum(rows[..., i::factor] for i in range(factor)) / factor**2
  return np.ascontiguousarray(small.transpose(1, 2, 0))


def to_uint8(canvas):
  """[0, 1] -> uint8, clipped and rounded."""
  return (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)


def hsv(h, s, v):
  """One color, all in [0, 1] (the hue wraps) -> float32 [3] RGB."""
  k = (np.array([5, 3, 1]) + (h % 1) * 6) % 6
  return (v - v * s * np.clip(np.minimum(k, 4 - k), 0, 1)).astype(np.float32)

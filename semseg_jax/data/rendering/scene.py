"""A rendered scene: several things on a cluttered ground, some half hidden.

Colors, light and texture are sampled anew for every image, so that only the
shape tells a class; most classes are absent from most images.
"""

import dataclasses

import numpy as np

from semseg_jax.data.rendering import fields
from semseg_jax.data.rendering import objects

CLASSES = ("background", *objects.CLASSES)
IGNORE = 255


@dataclasses.dataclass(frozen=True)
class Thing:
  """Where a thing stands; lengths in half image sides."""
  cls: int  # 0: clutter, which belongs to the background
  x: float
  y: float
  scale: float
  turn: float
  seed: int


def draw(rng: np.random.Generator) -> list[Thing]:
  """One to four things and some clutter, from far (small) to near."""
  things = []
  for _ in range(int(rng.choice([1, 2, 3, 4], p=[0.2, 0.35, 0.3, 0.15]))):
    things.append(Thing(
        cls=int(rng.integers(1, len(CLASSES))), x=rng.uniform(-0.75, 0.75),
        y=rng.uniform(-0.35, 0.6), scale=rng.uniform(0.28, 0.62),
        turn=float(np.clip(rng.normal(0, 10), -25, 25)),
        seed=int(rng.integers(1 << 31))))
  for _ in range(int(rng.integers(1, 5))):
    things.append(Thing(
        cls=0, x=rng.uniform(-1, 1), y=rng.uniform(-0.6, 0.9),
        scale=rng.uniform(0.1, 0.3), turn=rng.uniform(0, 360),
        seed=int(rng.integers(1 << 31))))
  return sorted(things, key=lambda t: t.y + 0.5 * t.scale)


def label(things: list[Thing], size: int) -> np.ndarray:
  """uint8 [size, size]; one pixel about each outline is IGNORE."""
  out = np.zeros((size, size), np.uint8)
  half_pixel = 1 / size
  for thing in things:
    window = _window(thing, size)
    if not out[window].size:
      continue
    distance = thing.scale * np.minimum.reduce(
        [d for d, _ in _layers(thing, size, window)])
    out[window][distance < -half_pixel] = thing.cls
    out[window][np.abs(distance) <= half_pixel] = IGNORE
  # Outlines of clutter within the background are no borders between classes.
  return _without_clutter_borders(out)


def render(things: list[Thing], rng: np.random.Generator, size: int
           ) -> np.ndarray:
  """float32 planes [3, size, size], nominally in [0, 1]."""
  canvas = _ground(rng, size)
  angle = rng.uniform(-1, 1)
  for thing in things:
    window = _window(thing, size)
    x, y = (axis[window] for axis in fields.grid(size))
    if not x.size:
      continue
    part = canvas[:, *window]
    own = np.random.default_rng([thing.seed, 1])
    tones = [
        fields.hsv(own.random(), own.uniform(0.1, 0.9), own.uniform(0.25, 1))
        for _ in range(3)]
    dark = fields.hsv(own.random(), 0.3, own.uniform(0.05, 0.2))
    layers = _layers(thing, size, window)
    pixel = np.float32(2 / size / thing.scale)
    outline = np.minimum.reduce([d for d, _ in layers])
    # A contact shadow, then the thing lit from one side.
    shadow = 0.45 * np.exp(-(np.maximum(outline, 0) / 0.12) ** 2)
    part *= 1 - shadow * fields.smoothstep(y, thing.y - 0.3, thing.y + 0.4)
    lean = ((x - thing.x) * angle - (y - thing.y) * 0.6) / thing.scale
    shade = 0.92 + 0.16 * np.clip(lean, -1.5, 1.5)
    mottle = fields.clouds(own, max(x.shape), int(own.integers(2, 9)), 2)
    shade = shade + own.uniform(0.02, 0.09) * mottle[:len(x), :len(x[0])]
    for distance, tone in layers:
      rim = 1 - 0.3 * np.exp(-(np.minimum(distance, 0) / 0.1) ** 2)
      color = dark if tone < 0 else tones[tone]
      fields.paint(part, fields.cover(distance, pixel),
                   fields.tint(color, shade * rim))
  canvas *= np.float32(rng.uniform(0.8, 1.15))
  return canvas


def _window(thing, size):
  """Rows and columns that hold a thing and its shadow."""
  reach = 1.6 * thing.scale
  low, high = (
      [int(np.clip((c + side * reach + 1) / 2 * size, 0, size))
       for c in (thing.y, thing.x)] for side in (-1, 1))
  return tuple(slice(a, b) for a, b in zip(low, high, strict=True))


def _layers(thing, size, window):
  x, y = (axis[window] for axis in fields.grid(size))
  u, v = fields.turn(
      (x - np.float32(thing.x)) / np.float32(thing.scale),
      (y - np.float32(thing.y)) / np.float32(thing.scale), thing.turn)
  rng = np.random.default_rng([thing.seed, 0])
  if thing.cls:
    return objects.CLASSES[CLASSES[thing.cls]](u, v, rng)
  # Clutter: pebbles, slabs and rings that look like no class.
  kind = rng.integers(3)
  if kind == 0:
    return [(fields.ellipse(u, v, rng.uniform(0.5, 1), rng.uniform(.3, .7)), 0)]
  if kind == 1:
    return [(fields.box(u, v, rng.uniform(0.6, 1), rng.uniform(.1, .3)), 0)]
  return [(np.abs(np.hypot(u, v) - 0.7) - np.float32(rng.uniform(.1, .2)), 0)]


def _without_clutter_borders(out):
  near = np.zeros(out.shape, bool)
  solid = (out > 0) & (out != IGNORE)
  for dy in (-2, -1, 0, 1, 2):
    for dx in (-2, -1, 0, 1, 2):
      near |= _shifted(solid, dy, dx)
  out[(out == IGNORE) & ~near] = 0
  return out


def _shifted(mask, dy, dx):
  padded = np.pad(mask, 2)
  h, w = mask.shape
  return padded[2 + dy:2 + dy + h, 2 + dx:2 + dx + w]


def _ground(rng, size):
  """Sky above a bumpy horizon, textured ground below, both of any color."""
  x, y = fields.grid(size)
  sky_a, sky_b, low_a, low_b = (
      fields.hsv(rng.random(), rng.uniform(0.05, 0.6), rng.uniform(0.2, 0.95))
      for _ in range(4))
  t = (y + 1) / 2 + 0.15 * fields.clouds(rng, size, 3)
  canvas = sky_a[:, None, None] + fields.tint(sky_b - sky_a, t)
  line = rng.uniform(-0.6, 0.3) + 0.12 * fields.noise(rng, size, 2, 6)
  texture = fields.clouds(rng, size, int(rng.integers(5, 16)))
  if rng.random() < 0.4:
    u, _ = fields.turn(x, y, rng.uniform(0, 180))
    texture = texture + 0.8 * np.sin(u * np.float32(rng.uniform(8, 26)))
  u = 0.4 * (y + 0.5) + 0.18 * texture
  ground = low_a[:, None, None] + fields.tint(low_b - low_a, u)
  fields.paint(canvas, fields.smoothstep(y - line, -0.03, 0.03), ground)
  return canvas

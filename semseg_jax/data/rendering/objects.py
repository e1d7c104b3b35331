"""Things that stand in rendered scenes: outlines from simple shapes.

Each function takes coordinates in which the thing fills about [-1, 1] and a
random generator for its proportions, and returns layers (distance, tone) from
back to front. A tone is an index into the colors the scene picks for the
thing, so that no class is known by its color; -1 is a dark tone.
"""

import numpy as np

from semseg_jax.data.rendering import fields


def house(x, y, rng):
  wide, roof = rng.uniform(0.6, 0.85), rng.uniform(0.35, 0.7)
  eaves = rng.uniform(-0.25, 0.05)
  wall = fields.box(x, y - (1 + eaves) / 2, wide, (1 - eaves) / 2)
  top = fields.polygon(
      x, y, np.array([[-wide - 0.15, eaves], [0, eaves - roof],
                      [wide + 0.15, eaves]]))
  door = fields.box(x - rng.uniform(-0.3, 0.3), y - 0.72, 0.14, 0.3)
  layers = [(wall, 0), (top, 1), (door, -1)]
  for side in (-1, 1):
    window = fields.box(
        x - side * wide * 0.6, y - (eaves + 0.32), 0.13, 0.14)
    layers.append((window, 2))
  return layers


def tree(x, y, rng):
  trunk = fields.box(x, y - 0.6, rng.uniform(0.08, 0.16), 0.42)
  if rng.random() < 0.4:  # a conifer
    crown = np.float32(9)
    for k in range(3):
      low = -0.3 + 0.38 * k
      half = 0.34 + 0.14 * k
      crown = np.minimum(crown, fields.polygon(
          x, y, np.array([[-half, low], [0, low - 0.7], [half, low]])))
    return [(trunk, 1), (crown, 0)]
  crown = np.float32(9)
  for _ in range(6):
    cx, cy = rng.uniform(-0.4, 0.4), rng.uniform(-0.6, 0.05)
    crown = np.minimum(
        crown, np.hypot(x - cx, y - cy) - rng.uniform(0.25, 0.42))
  return [(trunk, 1), (crown, 0)]


def car(x, y, rng):
  length = rng.uniform(0.85, 1.0)
  body = fields.box(x, y - 0.15, length, 0.22, 0.1)
  start, end = rng.uniform(-0.65, -0.4), rng.uniform(0.3, 0.6)
  cabin = fields.polygon(x, y, np.array([
      [start, 0], [start + 0.22, -0.38], [end - 0.25, -0.38], [end, 0]]))
  glass = cabin + 0.06
  layers = [(cabin, 0), (np.maximum(glass, y + 0.02), 2), (body, 0)]
  for side in (-1, 1):
    wheel = np.hypot(x - side * 0.55 * length, y - 0.36)
    layers += [(wheel - 0.21, -1), (wheel - 0.1, 1)]
  return layers


def person(x, y, rng):
  swing, arms = rng.uniform(0.05, 0.3), rng.uniform(-0.25, 0.5)
  layers = []
  for side in (-1, 1):
    layers.append((_limb(x, y, (side * 0.1, 0.25), (side * swing, 0.98), 0.1),
                   1))
    layers.append((_limb(
        x, y, (side * 0.22, -0.4), (side * 0.55, 0.1 - arms), 0.075), 2))
  torso = fields.box(x, y + 0.08, 0.24, 0.4, 0.12)
  head = fields.ellipse(x, y + 0.76, 0.17, 0.21)
  hair = np.maximum(head - 0.03, y + 0.8)
  return [*layers, (torso, 0), (head, 2), (hair, -1)]


def ball(x, y, rng):
  disc = np.hypot(x, y) - 0.8
  u, v = fields.turn(x, y, rng.uniform(0, 180))
  band = np.abs(u - 0.25 * v * v) - rng.uniform(0.12, 0.3)
  spot = np.hypot(u - 0.45, v) - 0.2
  return [(disc, 0), (np.maximum(band, disc), 1), (np.maximum(spot, disc), 2)]


def bottle(x, y, rng):
  half = rng.uniform(0.26, 0.36)
  body = fields.box(x, y - 0.35, half, 0.62, 0.1)
  neck = fields.box(x, y + 0.5, rng.uniform(0.09, 0.13), 0.42)
  glass = fields.smooth_min(body, neck, 0.25)
  cap = fields.box(x, y + 0.93, 0.14, 0.08)
  paper = fields.box(x, y - 0.38, half + 0.01, rng.uniform(0.2, 0.3))
  return [(glass, 0), (np.maximum(paper, glass), 2), (cap, 1)]


def flower(x, y, rng):
  stem = np.maximum(np.abs(x - 0.12 * np.sin(2 * y)) - 0.05,
                    np.abs(y - 0.45) - 0.55)
  leaf = fields.ellipse(*fields.turn(x - 0.25, y - 0.55, -35), 0.3, 0.1)
  petals, n = np.float32(9), int(rng.integers(5, 9))
  for k in range(n):
    u, v = fields.turn(x, y + 0.4, 360 * k / n)
    petals = np.minimum(petals, fields.ellipse(u - 0.3, v, 0.28, 0.15))
  heart = np.hypot(x, y + 0.4) - 0.17
  return [(stem, 1), (leaf, 1), (petals, 0), (heart, 2)]


def fish(x, y, rng):
  x = x if rng.random() < 0.5 else -x
  tall = rng.uniform(0.3, 0.5)
  body = fields.ellipse(x - 0.12, y, 0.72, tall)
  tail = fields.polygon(x, y, np.array([
      [-0.95, -0.42], [-0.45, 0.0], [-0.95, 0.42], [-0.85, 0.0]]))
  fin = fields.polygon(x, y, np.array([
      [-0.2, -tall * 0.8], [0.1, -tall - 0.28], [0.35, -tall * 0.8]]))
  stripe = np.maximum(np.abs(x - 0.05) - 0.1, body)
  eye = np.hypot(x - 0.55, y + 0.1) - 0.07
  return [(tail, 1), (fin, 1), (body, 0), (stripe, 2), (eye, -1)]


def chair(x, y, rng):
  back = fields.box(x + 0.42, y + 0.35, 0.09, 0.62)
  seat = fields.box(x, y - 0.25, 0.52, rng.uniform(0.07, 0.13))
  layers = []
  for leg in (-0.44, 0.42):
    layers.append((fields.box(x - leg, y - 0.62, 0.07, 0.36), 1))
  if rng.random() < 0.5:
    layers.append((fields.box(x, y + 0.05, 0.5, 0.05), 1))
  return [*layers, (back, 0), (seat, 0)]


CLASSES = {
    "house": house, "tree": tree, "car": car, "person": person, "ball": ball,
    "bottle": bottle, "flower": flower, "fish": fish, "chair": chair}


def _limb(x, y, a, b, radius):
  """Distance to a capsule from a to b."""
  dx, dy = b[0] - a[0], b[1] - a[1]
  t = np.clip(((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy), 0, 1)
  return np.hypot(x - a[0] - t * dx, y - a[1] - t * dy) - np.float32(radius)

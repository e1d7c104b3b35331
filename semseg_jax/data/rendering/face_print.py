"""The out-of-domain look of a face: a hand-colored print.

Flat inks in unnatural tones, dark outlines, hatching or dots for shade and a
patterned ground; the geometry and the classes are those of `face_photo`.
"""

import numpy as np

from semseg_jax.data.rendering import face as geometry
from semseg_jax.data.rendering import fields


def render(face, rng, size):
  """float32 planes [3, size, size], nominally in [0, 1]."""
  parts, more = geometry.regions(face, size)
  seen = geometry.visible(parts)
  px = np.float32(2 / size / face.zoom)
  cov = lambda d: fields.cover(d, px)
  ink = fields.hsv(rng.uniform(0.5, 0.75), rng.uniform(0.2, 0.6), 0.15)
  if rng.random() < 0.5:
    ink = fields.hsv(rng.uniform(0, 0.1), rng.uniform(0.3, 0.7), 0.2)
  skin = fields.hsv(rng.random(), rng.uniform(0.12, 0.45), rng.uniform(.7, .97))
  hair = fields.hsv(rng.random(), rng.uniform(0.3, 0.8), rng.uniform(0.25, 0.7))
  lip = fields.hsv(rng.uniform(-0.08, 0.12), rng.uniform(0.5, 0.8), 0.75)
  stroke = np.float32(rng.uniform(0.014, 0.026))

  canvas = _ground(rng, size)
  wobble = 0.01 * fields.noise(rng, size, 9)  # an unsteady hand

  def region(distance, color, outline=1.0):
    fields.paint(canvas, cov(distance), color)
    fields.paint(
        canvas, cov(np.abs(distance + wobble) - stroke * outline), ink)

  region(seen.hair_back, hair * 0.8)
  region(seen.neck, skin * 0.85)
  region(seen.clothes, fields.hsv(rng.random(), rng.uniform(.3, .8), .6))
  region(seen.ears, skin * 0.92)
  region(seen.head, skin)
  # Shade on one side of the head, drawn as lines or dots of ink.
  lx = float(rng.choice([-1.0, 1.0]))
  dark = 0.35 + 0.75 * lx * more.x / face.width - 0.35 * more.bulge
  dark = dark + 0.25 * fields.smoothstep(more.y, 0.2, 0.7)
  screen = _screen(more, rng)
  inside = cov(np.maximum(parts.head, -parts.hair_front))
  fields.paint(
      canvas, 0.75 * inside * fields.smoothstep(dark - screen, -0.08, 0.08),
      ink)

  region(seen.nose, skin * 0.9 + 0.1, 0.55)
  fields.paint(canvas, cov(more.nostrils), ink)
  region(seen.mouth, lip, 0.7)
  if face.mouth_open:
    fields.paint(canvas, cov(more.mouth_gap), np.float32([0.95, 0.95, 0.9]))
  inside_lips = seen.mouth < 0
  fields.paint(canvas, cov(np.abs(more.mouth_gap) - 0.5 * stroke) * inside_lips,
               ink)
  region(seen.eyes, np.float32([0.97, 0.96, 0.88]), 0.8)
  fields.paint(canvas, cov(np.maximum(more.iris, seen.eyes)), ink)
  region(seen.brows, ink, 0.1)
  region(seen.hair_front, hair)
  # Combed lines over all hair.
  comb = np.sin(
      np.arctan2(more.x - more.parting_x * 0.5, more.y + 1.4)
      * rng.uniform(40, 80) + 3 * wobble)
  hairy = np.maximum(
      cov(parts.hair_front),
      cov(parts.hair_back) * (parts.head > 0) * (parts.neck > 0)
      * (parts.clothes > 0) * (parts.ears > 0))
  fields.paint(canvas, 0.55 * hairy * fields.smoothstep(comb, 0.45, 0.75), ink)

  # Paper: a warm tone and fibres.
  paper = np.float32([1.0, rng.uniform(.93, 1), rng.uniform(.82, .98)])
  canvas *= fields.tint(paper, 1 + 0.03 * fields.noise(rng, size, 24))
  return canvas


def _screen(more, rng):
  """Threshold pattern in [0, 1]: hatching or a dot screen."""
  turn = rng.uniform(20, 70) * rng.choice([-1, 1])
  u, v = fields.turn(more.x, more.y, turn)
  frequency = np.float32(rng.uniform(38, 55))
  if rng.random() < 0.5:
    return 0.5 + 0.5 * np.sin(u * frequency)
  return 0.5 + 0.25 * (np.sin(u * frequency) + np.sin(v * frequency))


def _ground(rng, size):
  """Stripes, checks, dots or scales in two inks."""
  x, y = fields.grid(size)
  a = fields.hsv(rng.random(), rng.uniform(0.2, 0.7), rng.uniform(0.4, 0.95))
  b = fields.hsv(rng.random(), rng.uniform(0.2, 0.7), rng.uniform(0.3, 0.95))
  u, v = fields.turn(x, y, rng.uniform(0, 90))
  f = np.float32(rng.uniform(9, 18))
  kind = rng.integers(4)
  if kind == 0:
    wave = np.sin(u * f)
  elif kind == 1:
    wave = np.sin(u * f) * np.sin(v * f) * 2
  elif kind == 2:
    wave = 0.6 - np.hypot(np.sin(u * f / 2), np.sin(v * f / 2))
    wave = wave * 3
  else:
    wave = np.sin(np.hypot(u, v - 1.2) * f * 1.3)
  t = fields.smoothstep(wave, -0.25, 0.25)
  return a[:, None, None] + fields.tint(b - a, t)

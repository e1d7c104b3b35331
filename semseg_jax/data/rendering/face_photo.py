"""The in-domain look of a face: soft light, skin tones, blurred background."""

import numpy as np

from semseg_jax.data.rendering import face as geometry
from semseg_jax.data.rendering import fields

_SKIN_TONES = np.array([  # from light to dark, RGB
    [0.97, 0.83, 0.74], [0.93, 0.75, 0.62], [0.84, 0.63, 0.48],
    [0.68, 0.47, 0.34], [0.5, 0.33, 0.23], [0.36, 0.23, 0.17]], np.float32)
_HAIR_TONES = np.array([
    [0.07, 0.06, 0.06], [0.17, 0.1, 0.07], [0.33, 0.2, 0.11],
    [0.5, 0.32, 0.16], [0.78, 0.62, 0.36], [0.55, 0.22, 0.1],
    [0.62, 0.61, 0.6]], np.float32)
_IRIS_TONES = np.array([
    [0.2, 0.11, 0.06], [0.33, 0.2, 0.08], [0.25, 0.42, 0.62],
    [0.27, 0.42, 0.25], [0.4, 0.45, 0.5]], np.float32)


def render(face, rng, size):
  """float32 planes [3, size, size], nominally in [0, 1]."""
  parts, more = geometry.regions(face, size)
  seen = geometry.visible(parts)
  px = np.float32(2 / size / face.zoom)
  tone = rng.uniform(0, len(_SKIN_TONES) - 1)
  skin = _between(_SKIN_TONES, tone) + rng.normal(0, 0.015, 3)
  hair = _HAIR_TONES[rng.choice(7, p=[.2, .2, .2, .13, .12, .07, .08])]
  hair = np.clip(hair + rng.normal(0, 0.02, 3), 0.02, 1).astype(np.float32)
  skin = skin.astype(np.float32)

  # Light on a bulging head: its normal leans outwards with (x, y).
  angle = rng.uniform(0, 2 * np.pi)
  strength = rng.uniform(0.1, 0.42)
  lx = float(np.cos(angle) * strength)
  ly = float(-0.25 + np.sin(angle) * strength * 0.5)
  lean = more.x / face.width * lx + more.y / face.height * ly
  light = (0.62 + 0.36 * more.bulge + 0.5 * lean).astype(np.float32)
  mottle = fields.clouds(rng, size, 5)

  canvas = _background(rng, size)
  cov = lambda d, soft=1.0: fields.cover(d, px * np.float32(soft))
  strands = _strands(more, rng, size)
  gloss = rng.uniform(0.1, 0.45)
  hair_map = fields.tint(hair, 0.78 + 0.3 * strands)
  shine = np.exp(-((more.y + 0.62 + 0.35 * more.x**2) / 0.12) ** 2)
  hair_map += fields.tint(gloss * (0.12 + hair), shine * (0.6 + 0.4 * strands))
  fields.paint(canvas, cov(seen.hair_back), hair_map * 0.72)
  fields.paint(canvas, cov(seen.neck), fields.tint(
      skin, 0.62 + 0.2 * np.float32(lx) * more.x
      + 0.12 * fields.smoothstep(more.y, 0.6, 1.0)))
  cloth = fields.hsv(
      rng.random(), rng.uniform(0.1, 0.7), rng.uniform(0.15, 0.9))
  fold = 0.85 + 0.1 * fields.noise(rng, size, 3, 8)
  fields.paint(canvas, cov(seen.clothes), fields.tint(cloth, fold))
  fields.paint(canvas, cov(seen.ears), fields.tint(
      skin * np.float32([0.88, 0.78, 0.76]), 0.9 + 0.5 * lean))

  blush = rng.uniform(0, 0.12)
  cheeks = sum(np.exp(-(((more.x - s * 0.3 - 0.1 * face.yaw) / 0.13) ** 2
                        + ((more.y - 0.17) / 0.11) ** 2)) for s in (-1, 1))
  red = blush * cheeks
  skin_map = fields.tint(skin, light + 0.02 * mottle)
  skin_map *= 1 - fields.tint(np.float32([0.1, 1.0, 0.9]), red)
  if rng.random() < 0.25:  # stubble
    low = np.maximum(
        fields.smoothstep(more.y, 0.2, 0.38),
        fields.smoothstep(np.abs(more.x), 0.3, 0.5) * (more.y > 0.02))
    beard = np.float32(rng.uniform(0.15, 0.55)) * low
    fields.paint(skin_map, beard, hair * np.float32(0.9))
  # Soft shadows: eye sockets, under nose and lower lip, below the fringe.
  socket = np.exp(-(np.maximum(seen.eyes, 0) / 0.07) ** 2)
  under_nose = np.exp(-(np.maximum(seen.nose, 0) / 0.035) ** 2)
  under_lip = np.exp(-(np.maximum(seen.mouth, 0) / 0.04) ** 2)
  fringe = np.exp(-(np.maximum(seen.hair_front, 0) / 0.06) ** 2)
  shade = 1 - 0.22 * socket - 0.12 * under_nose * (more.nose_y > 0.5)
  shade = shade - 0.1 * under_lip - 0.18 * fringe
  skin_map *= shade
  fields.paint(canvas, cov(seen.head), skin_map)

  # Nose: a ridge lit from one side, a bright tip, dark nostrils.
  side = np.clip(more.nose_x, -1.2, 1.2)
  ridge = 1.06 + (0.6 * lx) * side - 0.26 * side**2 * more.nose_y
  tip = 0.16 * np.exp(-((side / 0.5) ** 2 + ((more.nose_y - 0.82) / 0.16) ** 2))
  nose = skin * np.array([1.0, 0.95, 0.93], np.float32)
  nose = fields.tint(nose, light * ridge + tip)
  fields.paint(canvas, cov(seen.nose, 2.5), nose)
  fields.paint(canvas, 0.75 * cov(more.nostrils, 1.5), skin * 0.3)

  _mouth(canvas, face, seen, more, skin, light, rng, cov)
  _eyes(canvas, face, seen, more, hair, rng, cov)
  brow = np.minimum(hair * 0.75, skin * 0.55)
  hairs = 0.85 + 0.12 * fields.noise(rng, size, 12, 40)
  fields.paint(canvas, 0.88 * cov(seen.brows, 1.6), fields.tint(brow, hairs))
  front = hair_map * (0.75 + 0.3 * light + 0.2 * lean)
  fields.paint(canvas, cov(seen.hair_front, 1.5), front)

  # Camera: exposure, tint, grain.
  tint = 1 + rng.normal(0, 0.03, 3)
  canvas *= (rng.uniform(0.9, 1.12) * tint).astype(np.float32)[:, None, None]
  return canvas


def _mouth(canvas, face, seen, more, skin, light, rng, cov):
  lip = skin * np.array([0.86, 0.52, 0.52], np.float32)
  if rng.random() < 0.3:
    lip = 0.45 * lip + 0.55 * np.array(
        [rng.uniform(0.5, 0.85), 0.12, rng.uniform(0.15, 0.3)], np.float32)
  middle = face.mouth_y
  upper = fields.smoothstep(more.y, middle - 0.03, middle + 0.03)
  glint = 0.18 * np.exp(-((more.y - middle - 0.045) / 0.014) ** 2
                        - ((more.x - 0.2 * face.yaw) / 0.07) ** 2)
  lips = fields.tint(lip, light * (0.84 + 0.18 * upper) + glint)
  fields.paint(canvas, cov(seen.mouth), lips)
  if face.mouth_open:
    fields.paint(canvas, cov(more.mouth_gap), np.float32([0.22, 0.07, 0.07]))
    teeth = np.maximum(more.mouth_gap + 0.012, more.y - middle - 0.015)
    fields.paint(canvas, cov(teeth), np.float32([0.93, 0.91, 0.86]))
  else:
    line = np.abs(more.mouth_gap) - 0.006
    inside = seen.mouth < 0
    fields.paint(canvas, 0.7 * cov(line) * inside, lip * 0.4)


def _eyes(canvas, face, seen, more, hair, rng, cov):
  white = np.float32([0.93, 0.92, 0.9])
  fields.paint(canvas, cov(seen.eyes), white)
  iris = np.maximum(more.iris, seen.eyes)
  radius = max(0.05, 0.72 * face.eye_open)
  color = _IRIS_TONES[rng.choice(5, p=[.35, .25, .2, .1, .1])]
  fields.paint(canvas, cov(iris), color)
  fields.paint(canvas, cov(np.maximum(
      more.iris + 0.55 * radius, seen.eyes)), np.float32([0.03, 0.03, 0.03]))
  # Lashes darken the upper rim; a highlight sits up and left of the pupil.
  rim = np.maximum(more.lids - 0.011, seen.eyes - 0.012)
  fields.paint(canvas, 0.8 * cov(rim), np.minimum(hair, 0.2) * 0.6)


def _strands(more, rng, size):
  """Streaks that run down from the parting, about -1 .. 1."""
  dx, dy = more.x - np.float32(more.parting_x * 0.5), more.y + 1.1
  across = np.arctan2(dx, dy + 0.25)
  waves = rng.uniform(0, 0.25) * np.sin(dy * rng.uniform(4, 9)
                                        + rng.uniform(0, 6))
  t = across + waves.astype(np.float32) * 0.4
  out = 0
  for frequency, weight in ((9, 0.35), (23, 0.35), (51, 0.3)):
    out = out + weight * np.sin(
        t * np.float32(frequency * rng.uniform(0.8, 1.2))
        + np.float32(rng.uniform(0, 6)))
  return out + 0.25 * fields.noise(rng, size, 6)


def _background(rng, size):
  """Out-of-focus background: a gradient, large blobs, sometimes an edge."""
  x, y = fields.grid(size)
  a = fields.hsv(rng.random(), rng.uniform(0, 0.55), rng.uniform(0.1, 0.95))
  b = fields.hsv(rng.random(), rng.uniform(0, 0.55), rng.uniform(0.1, 0.95))
  angle = rng.uniform(0, 2 * np.pi)
  t = fields.smoothstep(
      np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y, -1.2, 1.2)
  t = t + 0.12 * fields.noise(rng, size, 3)
  canvas = a[:, None, None] + fields.tint(b - a, t)
  if rng.random() < 0.4:
    edge = np.float32(rng.uniform(-0.9, 0.9)) + 0.2 * np.float32(
        rng.normal()) * y
    wall = fields.smoothstep(x - edge, -0.08, 0.08) * rng.uniform(0.2, 0.6)
    c = fields.hsv(rng.random(), rng.uniform(0, 0.5), rng.uniform(0.1, 0.9))
    fields.paint(canvas, wall, c)
  for _ in range(rng.integers(0, 4)):
    px, py = rng.uniform(-1, 1, 2)
    blob = np.exp(-((x - px) ** 2 + (y - py) ** 2) / rng.uniform(0.02, 0.15))
    c = fields.hsv(rng.random(), rng.uniform(0, 0.5), rng.uniform(0.2, 1))
    fields.paint(canvas, 0.45 * blob, c)
  return canvas


def _between(table, position):
  i = min(int(position), len(table) - 2)
  return table[i] + (position - i) * (table[i + 1] - table[i])

"""Geometry of a face-like object: nested parts with pose and shape parameters.

`draw` samples the parameters with a random generator, `regions` turns them into
signed distances over the grid, from back to front. The look is elsewhere
(`face_photo`, `face_print`), so that two domains share one geometry.
"""

import dataclasses
import typing

import numpy as np

from semseg_jax.data.rendering import fields

CLASSES = ("background", "skin", "hair", "brows", "eyes", "nose", "mouth")
BACKGROUND, SKIN, HAIR, BROWS, EYES, NOSE, MOUTH = range(7)


@dataclasses.dataclass(frozen=True)
class Face:
  """Parameters of one face; lengths in half image sides."""
  shift_x: float
  shift_y: float
  turn: float  # degrees in the image plane
  zoom: float
  yaw: float  # -1 .. 1, > 0 looks to the right of the image
  pitch: float  # -1 .. 1, > 0 looks down
  width: float
  height: float
  jaw: float
  chin: float
  ears: float
  hair_volume: float
  hair_length: float  # lowest point of the hair behind the head
  hair_line: float
  hair_arch: float
  hair_part: float
  hair_side: float
  hair_low: float  # lowest point of the hair beside the face
  bald: bool
  eye_distance: float
  eye_y: float
  eye_width: float
  eye_open: float
  eye_slant: float
  gaze_x: float
  gaze_y: float
  brow_gap: float
  brow_arch: float
  brow_slant: float
  brow_thickness: float
  nose_length: float
  nose_width: float
  mouth_y: float
  mouth_width: float
  mouth_open: float
  smile: float
  upper_lip: float
  lower_lip: float
  shoulders: float


def draw(rng: np.random.Generator) -> Face:
  """Faces are roughly aligned: one pose and framing, with spread.

  Brows, eyes and lips are at least three pixels thick at 64 px, so that a
  label map of that size can hold them.
  """
  u = rng.uniform
  long_hair = rng.random() < 0.45
  return Face(
      shift_x=rng.normal(0, 0.04), shift_y=rng.normal(0, 0.03),
      turn=float(np.clip(rng.normal(0, 6), -16, 16)), zoom=u(1.05, 1.28),
      yaw=float(np.clip(rng.normal(0, 0.45), -1, 1)),
      pitch=float(np.clip(rng.normal(0, 0.4), -1, 1)),
      width=u(0.46, 0.56), height=u(0.62, 0.72), jaw=u(0.1, 0.42),
      chin=u(0.0, 0.14), ears=u(0.09, 0.14),
      hair_volume=u(0.06, 0.2),
      hair_length=u(0.45, 1.1) if long_hair else u(-0.2, 0.15),
      hair_line=u(-0.48, -0.26), hair_arch=u(-0.25, 0.7),
      hair_part=u(-0.5, 0.5), hair_side=u(0.0, 0.12),
      hair_low=u(0.1, 0.5) if long_hair else u(-0.02, 0.2),
      bald=bool(rng.random() < 0.06 and not long_hair),
      eye_distance=u(0.21, 0.26), eye_y=u(-0.1, -0.02),
      eye_width=u(0.12, 0.155), eye_open=u(0.06, 0.095),
      eye_slant=u(-8, 8), gaze_x=u(-0.35, 0.35), gaze_y=u(-0.2, 0.2),
      brow_gap=u(0.17, 0.22), brow_arch=u(0.1, 0.5), brow_slant=u(-8, 10),
      brow_thickness=u(0.05, 0.07), nose_length=u(0.2, 0.28),
      nose_width=u(0.085, 0.13), mouth_y=u(0.35, 0.42),
      mouth_width=u(0.17, 0.26),
      mouth_open=u(0.03, 0.1) if rng.random() < 0.45 else 0.0,
      smile=u(-0.2, 1.2), upper_lip=u(0.045, 0.065),
      lower_lip=u(0.055, 0.08), shoulders=u(0.75, 1.0))


class Regions(typing.NamedTuple):
  """Signed distances [S, S], listed from back to front."""
  hair_back: np.ndarray
  neck: np.ndarray
  clothes: np.ndarray  # background, as are clothes in face data sets
  ears: np.ndarray
  head: np.ndarray
  nose: np.ndarray
  mouth: np.ndarray
  eyes: np.ndarray
  brows: np.ndarray
  hair_front: np.ndarray


class Details(typing.NamedTuple):
  """What painting needs beside the regions; no class of its own."""
  x: np.ndarray  # image plane, upright with the head
  y: np.ndarray
  iris: np.ndarray
  lids: np.ndarray
  nostrils: np.ndarray
  mouth_gap: np.ndarray
  nose_x: np.ndarray  # across the nose, -1 .. 1 at its edges
  nose_y: np.ndarray  # 0 at its root, 1 at its tip
  bulge: np.ndarray  # height of the head's surface over the image, 0 .. 1
  parting_x: float


def regions(face: Face, size: int) -> tuple[Regions, Details]:
  """Distances of all parts on a size x size grid."""
  f = face
  gx, gy = fields.grid(size)
  x, y = fields.turn(
      (gx - np.float32(f.shift_x)) / np.float32(f.zoom),
      (gy - np.float32(f.shift_y + 0.06)) / np.float32(f.zoom), f.turn)
  inf = np.full_like(x, 9)

  # Head: an ellipse whose half width shrinks towards the chin.
  low = np.clip(y / np.float32(f.height), 0, 1)
  half = np.float32(f.width) * (1 - np.float32(f.jaw) * low * low)
  head = fields.ellipse(x, y, half, np.float32(f.height))
  if f.chin > 0.03:
    head = fields.smooth_min(
        head, fields.ellipse(x, y - (f.height - 0.1), f.width * 0.42,
                             0.1 + f.chin * 0.4), 0.15)
  depth_x = 0.16 * f.yaw  # how far the features slide over the surface
  depth_y = 0.05 * f.pitch

  ears = inf
  for side in (-1, 1):
    shown = 1 + 0.9 * side * -f.yaw  # the far ear hides
    if shown > 0.35 and f.hair_length < 0.3:  # long hair covers them
      ears = np.minimum(ears, fields.ellipse(
          x - side * (f.width + 0.01) - 0.04 * f.yaw, y - f.eye_y - 0.06,
          f.ears * 0.6 * min(shown, 1.0), f.ears * 1.25))

  neck = np.maximum(
      fields.box(x + 0.05 * f.yaw, y - 0.9, f.width * 0.58, 0.6, 0.1),
      -(y - 0.2))
  clothes = fields.ellipse(x, y - 1.75, np.float32(f.shoulders), 0.85)
  collar = fields.ellipse(x + 0.05 * f.yaw, y - 0.84, f.width * 0.62, 0.2)
  clothes = np.maximum(clothes, -collar)

  hair_back, hair_front = _hair(f, x, y, head, depth_x)

  # Features live on the turned surface: the far side is compressed.
  narrow = 1 - 0.1 * abs(f.yaw)
  ux, uy = x - np.float32(depth_x), y - np.float32(depth_y)
  brows, eyes, iris, lids = inf, inf, inf, inf
  for side in (-1, 1):
    squeeze = 1 - 0.22 * max(side * f.yaw, 0)
    cx = side * f.eye_distance * narrow * (1 - 0.12 * max(side * f.yaw, 0))
    ex, ey = fields.turn(
        (ux - cx) / np.float32(squeeze), uy - f.eye_y, side * f.eye_slant)
    w, h = f.eye_width, f.eye_open
    # An almond: two circular arcs that meet in the corners.
    radius = (w * w + h * h) / (2 * h)
    eye = np.maximum(
        np.hypot(ex, ey - (radius - h)), np.hypot(ex, ey + (radius - h))
    ) - np.float32(radius)
    eyes = np.minimum(eyes, eye)
    gaze = (f.gaze_x + 0.5 * f.yaw) * w * 0.5
    iris = np.minimum(iris, np.hypot(
        ex - gaze, ey - f.gaze_y * h * 0.5) - max(0.05, 0.72 * h))
    lids = np.minimum(lids, np.abs(
        np.hypot(ex, ey - (radius - h)) - radius) + np.maximum(ey, 0)
        + np.maximum(np.abs(ex) - w, 0))
    bx, by = fields.turn(
        (ux - cx * 1.02) / np.float32(squeeze), uy - f.eye_y + f.brow_gap,
        side * f.brow_slant)
    bx = bx * side
    t = np.clip((bx / w + 1.15) / 2.4, 0, 1)
    arc = by - f.brow_arch * (bx * bx) * 5 + 0.015
    thick = np.float32(f.brow_thickness) * (1 - 0.4 * t * t)
    brow = np.maximum(np.abs(arc) - thick, np.abs(bx - 0.08 * w) - 1.1 * w)
    brows = np.minimum(brows, brow)

  top = f.eye_y + 0.01
  tip = f.eye_y + f.nose_length + 0.09 + 0.04 * f.pitch
  t = np.clip((uy - top) / (tip - top), 0, 1)
  nose_half = np.float32(f.nose_width) * (0.3 + 0.7 * t * t)
  # The tip stands out of the face, so it slides further than its root.
  nx = ux - np.float32(0.14 * f.yaw) * t
  nose = np.maximum(np.abs(nx) - nose_half, np.maximum(top - uy, uy - tip))
  wings = fields.ellipse(
      nx, uy - (tip - 0.045), f.nose_width, 0.06)
  nose = fields.smooth_min(nose, wings, 0.05)
  nostrils = inf
  for side in (-1, 1):
    nostrils = np.minimum(nostrils, fields.ellipse(
        nx - side * 0.5 * f.nose_width, uy - (tip - 0.012),
        f.nose_width * 0.26, 0.02))

  mouth, gap = _mouth(f, ux - np.float32(0.05 * f.yaw), uy)
  bulge = np.sqrt(np.clip(
      1 - (x / (f.width * 1.08)) ** 2 - (y / (f.height * 1.08)) ** 2,
      0.02, 1))
  details = Details(
      x, y, iris, lids, nostrils, gap, nx / nose_half, t, bulge,
      f.hair_part * f.width + depth_x)
  return Regions(hair_back, neck, clothes, ears, head, nose, mouth, eyes,
                 brows, hair_front), details


def label(parts: Regions) -> np.ndarray:
  """Class of the front-most part at every point: uint8 [S, S]."""
  classes = (HAIR, SKIN, BACKGROUND, SKIN, SKIN, NOSE, MOUTH, EYES, BROWS, HAIR)
  out = np.zeros(parts.head.shape, np.uint8)
  for distance, cls in zip(visible(parts), classes, strict=True):
    out[distance < 0] = cls
  return out


def visible(parts: Regions) -> Regions:
  """The same parts with the features cut off at the head's outline."""
  cut = {
      name: np.maximum(getattr(parts, name), parts.head)
      for name in ("brows", "eyes", "nose", "mouth")}
  return parts._replace(**cut)


def _hair(f, x, y, head, depth_x):
  inf = np.full_like(x, 9)
  if f.bald:
    return inf, inf
  cap = fields.ellipse(
      x, y + 0.1, f.width + f.hair_volume, f.height + f.hair_volume - 0.02)
  cap = np.maximum(cap, y - max(f.hair_length, 0.05))
  if f.hair_length > 0.3:
    fall = fields.box(
        x, y - (f.hair_length - 0.5) / 2, f.width + f.hair_volume,
        (f.hair_length + 0.5) / 2, 0.15)
    cap = fields.smooth_min(cap, fall, 0.1)
  # In front: everything of the head above a line that arches about a parting.
  rel = (x - np.float32(depth_x + f.hair_part * f.width * 0.5)) / f.width
  line = np.float32(f.hair_line) + np.float32(f.hair_arch) * rel * rel
  sides = f.width - f.hair_side - np.abs(x - 0.5 * np.float32(depth_x))
  front = np.minimum(y - line, np.maximum(sides * 0.9, y - f.hair_low))
  front = np.maximum(front, head - np.float32(0.6 * f.hair_volume))
  return cap, front


def _mouth(f, x, y):
  """Lips between two parabolas; the gap shows teeth."""
  w = np.float32(f.mouth_width * (1 - 0.12 * abs(f.yaw)))
  t = np.clip(np.abs(x) / w, 0, 1)
  bend = np.float32(f.smile * 0.045) * t * t
  yy = y - np.float32(f.mouth_y + 0.02 * f.pitch) + bend
  open_half = f.mouth_open * (1 - t * t)
  bow = 1 - t * t
  notch = 0.25 * np.exp(-((x / (0.25 * w)) ** 2))
  upper = np.float32(f.upper_lip) * (bow - notch) + open_half * 0.6
  lower = np.float32(f.lower_lip) * bow + open_half
  lips = np.maximum(np.maximum(-yy - upper, yy - lower), np.abs(x) - w)
  gap = np.maximum(-yy - open_half * 0.6, yy - open_half)
  return lips, np.maximum(gap, np.abs(x) - w)

"""`scenes`: rendered images of several things, for semi-supervised methods.

Needs no files: image i of a split is a function of (seed, split, i). Ten
classes of which an image shows few, occlusion, clutter, colors that tell
nothing, and an ignored outline about every thing.
"""

import functools
import zlib

import numpy as np

from semseg_jax.data import datasets
from semseg_jax.data import id_lists
from semseg_jax.data import sources
from semseg_jax.data.rendering import fields
from semseg_jax.data.rendering import scene

SPLITS = {"train": 4000, "val": 200, "test": 500}
_COLORS = (
    (0, 0, 0), (200, 60, 60), (40, 150, 60), (60, 90, 220), (240, 180, 140),
    (230, 120, 30), (60, 190, 190), (220, 90, 190), (240, 220, 60),
    (140, 100, 60))


def make(*, size=None, seed=0, **_):
  """See `datasets.load`; a set without files takes no folders."""
  size = size or 64
  spec = datasets.Spec(
      name="scenes", class_names=scene.CLASSES,
      colors=np.array(_COLORS, np.uint8), ignore_index=scene.IGNORE,
      licence="Apache-2.0 (rendered)")
  splits = {
      name: sources.Rendered(
          functools.partial(render, size, (seed, zlib.crc32(name.encode()))),
          [f"{name}_{i:05d}" for i in range(count)], labeled=True)
      for name, count in SPLITS.items()}
  return datasets.Dataset(
      spec, splits, id_lists.label_orders("scenes", splits["train"].ids))


def render(size, stream, index):
  """Image uint8 [size, size, 3], label uint8 [size, size] of one image."""
  rng = np.random.default_rng([*stream, index])
  things = scene.draw(rng)
  factor = 2 if size <= 64 else 1
  image = fields.shrink(scene.render(things, rng, size * factor), factor)
  grain = rng.standard_normal(image.shape, np.float32)
  image = fields.to_uint8(image + np.float32(0.015) * grain)
  return image, scene.label(things, size)

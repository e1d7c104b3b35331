"""`toy_faces`: rendered aligned faces with seven part classes, in two styles.

Needs no files: image i of a split is a function of (seed, split, i). The
in-domain splits look like soft photographs; `ood_val` and `ood_test` have the
same geometry and classes in another style (flat inks, outlines, hatching).
"""

import functools
import zlib

import numpy as np

from semseg_jax.data import datasets
from semseg_jax.data import sources
from semseg_jax.data.rendering import face as geometry
from semseg_jax.data.rendering import face_photo
from semseg_jax.data.rendering import face_print
from semseg_jax.data.rendering import fields

SPLITS = {
    "unlabeled": 10000, "train_labeled": 1500, "val": 200, "test": 500,
    "ood_val": 100, "ood_test": 500}
_COLORS = (
    (0, 0, 0), (255, 200, 160), (140, 80, 20), (60, 170, 60), (40, 110, 255),
    (250, 220, 40), (220, 20, 60))


def make(*, size=None, seed=0, **_):
  """See `datasets.load`; a set without files takes no folders."""
  size = size or 64
  spec = datasets.Spec(
      name="toy_faces", class_names=geometry.CLASSES,
      colors=np.array(_COLORS, np.uint8), licence="Apache-2.0 (rendered)")
  splits = {}
  for name, count in SPLITS.items():
    style = face_print if name.startswith("ood_") else face_photo
    splits[name] = sources.Rendered(
        functools.partial(
            render, style, size, (seed, zlib.crc32(name.encode()))),
        [f"{name}_{i:05d}" for i in range(count)],
        labeled=name != "unlabeled")
  return datasets.Dataset(spec, splits)


def render(style, size, stream, index):
  """Image uint8 [size, size, 3], label uint8 [size, size] of one image."""
  rng = np.random.default_rng([*stream, index])
  face = geometry.draw(rng)
  label = geometry.label(geometry.regions(face, size)[0])
  factor = 2 if size <= 64 else 1
  image = fields.shrink(style.render(face, rng, size * factor), factor)
  grain = rng.standard_normal(image.shape, np.float32)
  return fields.to_uint8(image + np.float32(0.012) * grain), label

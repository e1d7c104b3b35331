"""`metfaces`: 1336 aligned faces of paintings, 40 of them with masks.

  images/<id>.png                       1024 x 1024
  masks/<id>.png                        optional: SemanticGAN's 40 masks

The eight classes of `celebamask_hq`, as indices (gray or palette) or in its
colors. Splits: `unlabeled`, all images, and `test`, those with masks.
"""

import functools

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import image_files
from semseg_jax.data import mask_files
from semseg_jax.data import readers
from semseg_jax.data import store
from semseg_jax.data.sets import celebamask_hq

ARCHIVE = archives.Archive(
    "metfaces",
    "NVIDIA's MetFaces dataset (aligned images) and, for the folder `masks`, "
    "the MetFaces-40 annotations that SemanticGAN's official code links",
    ("images/*.png",))


def make(*, data_dir=None, cache_dir=None, size=None, **_):
  """See `datasets.load`."""
  root = ARCHIVE.locate(data_dir)
  items = ARCHIVE.items(
      root, "images/{id}.png", ["masks/{id}.png"], optional=True, expect=1336)
  splits = {"unlabeled": items}
  if any(item.masks for item in items):
    splits["test"] = [item for item in items if item.masks]
  spec = datasets.Spec(
      name="metfaces", class_names=celebamask_hq.CLASSES,
      colors=celebamask_hq.spec().colors,
      licence="CC BY-NC 2.0 (images), CC BY-NC 4.0 (masks)",
      citation=(
          "Karras et al.: Training generative adversarial networks with "
          "limited data, NeurIPS 2020; masks: Li, Yang, Kreis, Torralba, "
          "Fidler: Semantic segmentation with generative models, CVPR 2021"))
  side = archives.stored_side(size)
  return datasets.Dataset(spec, store.open_splits(
      spec, splits, cache_dir=cache_dir, variant=f"side{side}",
      read=readers.squares(
          side, masks=functools.partial(_mask, spec=spec))))


def _mask(paths, spec):
  path, = paths
  return mask_files.read_colors(
      image_files.read_bytes(path), spec.colors, spec.ignore_index, path)

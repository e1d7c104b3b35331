"""`lits`: CT of the LiTS 2017 challenge, liver (with its tumours) by slices.

  **/volume-<n>.nii    **/segmentation-<n>.nii      n = 0 to 130
  **/test-volume-<n>.nii                            n = 0 to 69, no masks

An image is an axial slice, seen from the feet with the front up, of the window
-160 to 240 HU (ours; the paper's is not known). Labels are counted in volumes:
118 in the pool, as in SemanticGAN; which is not published: `splits/lits`
follows `id_lists.hashed`. `unlabeled` is the challenge's test set.
Files may end in .nii.gz.
"""

import numpy as np

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import optional
from semseg_jax.data import store
from semseg_jax.data import volumes

ARCHIVE = archives.Archive(
    "lits", "the LiTS challenge's page at CodaLab (training batches 1 and 2, "
    "and the test data)",
    ("**/volume-*.nii*", "**/segmentation-*.nii*", "**/test-volume-*.nii*"))
WINDOW = (-160.0, 240.0)


def make(*, data_dir=None, cache_dir=None, size=None, **_):
  """See `datasets.load`."""
  root = ARCHIVE.locate(data_dir)
  files = {
      path.name.removesuffix(".gz").removesuffix(".nii"): str(path)
      for path in sorted(root.rglob("*.nii*"))}
  items = [
      store.Item(name, path, _mask(files, name))
      for name, path in files.items()
      if name.startswith(("volume-", "test-volume-"))]
  ARCHIVE.complete(
      root, [i.key for i in items if not i.masks and i.key[0] == "v"],
      "a segmentation-<n>.nii", len(items))
  splits = ARCHIVE.listed(items, id_lists.shipped("lits"))
  side = archives.stored_side(size)
  spec = volumes.liver_spec(
      "lits", "CC BY-NC-ND 4.0",
      "Bilic et al.: The liver tumor segmentation benchmark (LiTS), Medical "
      "Image Analysis 2023")
  return datasets.Dataset(
      spec,
      store.open_splits(
          spec, splits, volumes=True, cache_dir=cache_dir,
          expand=lambda item, channels: _slices(item, side),
          variant=f"side{side}"),
      labels_by_volume=True)


def _mask(files, name):
  mask = files.get(name.replace("volume", "segmentation"))
  return (mask,) if mask and name.startswith("volume-") else ()


def _slices(item, side):
  values = _opened(item.image)
  labels = _opened(item.masks[0]) if item.masks else None
  if labels is not None and labels.shape != values.shape:
    raise errors.DataError(
        f"{item.masks[0]}: mask is {labels.shape}, but its volume "
        f"{item.image} is {values.shape}")
  for k, name in enumerate(volumes.names(values.shape[2])):
    yield name, *volumes.encoded_slice(
        _upright(values, k),
        None if labels is None else _upright(labels, k) > 0,
        window=WINDOW, side=side)


def _opened(path):
  """The volume [x, y, z]: x to the patient's right, y front, z up."""
  nibabel = optional.package("nibabel", "medical")
  try:
    image = nibabel.as_closest_canonical(nibabel.load(path))
    values = np.asanyarray(image.dataobj)
  except Exception as e:  # the reader raises whatever it stumbles over
    raise errors.DataError(f"{path}: not a readable volume ({e})") from e
  if values.ndim != 3:
    raise errors.DataError(f"{path}: {values.ndim} axes, not 3")
  return values


def _upright(volume, k):
  """Slice k as radiologists see it: the patient's right on the left."""
  return volume[::-1, ::-1, k].T

"""`chaos`: MRI of the CHAOS challenge, liver by slices, T1 in and out of phase.

  **/MR/<patient>/T1DUAL/DICOM_anon/{InPhase,OutPhase}/*.dcm
  **/MR/<patient>/T1DUAL/Ground/*.png   gray: liver 55 to 70

Both phases share the masks; files belong together by their order. Each volume's
values between its 1st and 99th percentile become 8 bits (ours). The 20 training
patients are the ones with masks. Splits: `t1_in` and `t1_out`.
"""

import numpy as np

from semseg_jax.data import archives
from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import image_files
from semseg_jax.data import optional
from semseg_jax.data import store
from semseg_jax.data import volumes
from semseg_jax.data.formats import image_index

_T1 = "**/MR/*/T1DUAL"
ARCHIVE = archives.Archive(
    "chaos", "the CHAOS challenge's page or its Zenodo record (training sets)",
    (f"{_T1}/DICOM_anon/InPhase/*.dcm", f"{_T1}/DICOM_anon/OutPhase/*.dcm",
     f"{_T1}/Ground/*.png"))
_PHASES = {"t1_in": "InPhase", "t1_out": "OutPhase"}
_LIVER = (55, 70)


def make(*, data_dir=None, cache_dir=None, size=None, **_):
  """See `datasets.load`."""
  root = ARCHIVE.locate(data_dir)
  folders = sorted((p.parent for p in root.glob(f"{_T1}/Ground")),
                   key=lambda p: (len(p.parent.name), p.parent.name))
  side = archives.stored_side(size)
  spec = volumes.liver_spec(
      "chaos", "CC BY-NC-SA 4.0",
      "Kavur et al.: CHAOS challenge - combined (CT-MR) healthy abdominal "
      "organ segmentation, Medical Image Analysis 2021")
  splits = {split: [_item(folder, split) for folder in folders]
            for split in _PHASES}
  return datasets.Dataset(spec, store.open_splits(
      spec, splits, volumes=True, cache_dir=cache_dir,
      expand=lambda item, channels: _slices(item, side),
      variant=f"side{side}"))


def _item(folder, split):
  """A volume: its first file, then the other slices and all masks."""
  series = folder / "DICOM_anon" / _PHASES[split]
  slices, masks = (
      sorted(map(str, image_index.visible(below, f"*.{ending}")))
      for below, ending in ((series, "dcm"), (folder / "Ground", "png")))
  if len(slices) != len(masks) or not slices:
    raise errors.DataError(
        f"{series}: {len(slices)} slices (*.dcm), but {len(masks)} masks in "
        f"{folder / 'Ground'}; get both again from {ARCHIVE.page}")
  return store.Item(
      f"{split}_{folder.parent.name}", slices[0], (*slices[1:], *masks))


def _slices(item, side):
  paths = (item.image, *item.masks)
  count = len(paths) // 2
  volume = [_values(path) for path in paths[:count]]
  window = np.percentile(np.concatenate([v.ravel() for v in volume]), (1, 99))
  for name, values, path in zip(
      volumes.names(count), volume, paths[count:], strict=True):
    gray = image_files.decode_gray(image_files.read_bytes(path), path)
    if gray.shape != values.shape:
      raise errors.DataError(
          f"{path}: mask is {gray.shape}, its slice is {values.shape}")
    liver = (gray >= _LIVER[0]) & (gray <= _LIVER[1])
    yield name, *volumes.encoded_slice(values, liver, window=window, side=side)


def _values(path):
  pydicom = optional.package("pydicom", "medical")
  try:
    values = pydicom.dcmread(path).pixel_array
  except Exception as e:  # the reader raises whatever it stumbles over
    reason = str(e).splitlines()[0] if str(e) else type(e).__name__
    raise errors.DataError(
        f"{path}: not a readable DICOM slice ({reason})") from e
  if values.ndim != 2:
    raise errors.DataError(f"{path}: {values.ndim} axes, a slice has 2")
  return values

"""Abdominal CT and MRI from miniature downloads in their original layouts."""

import nibabel
import numpy as np
import pydicom
import pytest

from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import image_files
from semseg_jax.data import subsets
from semseg_jax.data.sets import lits


def _volume():
  """[x, y, z] HU, and labels 0, 1, 2."""
  rng = np.random.default_rng(0)
  values = rng.integers(-1000, 1000, (8, 6, 3)).astype(np.int16)
  labels = np.zeros(values.shape, np.uint8)
  labels[5:, 4:, 1] = 1  # right, front
  labels[5:, 4:, 2] = 2
  return values, labels


def _lits(download, affine=None, names=None):
  affine = np.diag([1., 1, 2, 1]) if affine is None else affine
  names = names or [x for p in id_lists.shipped("lits").values() for x in p]
  values, labels = _volume()
  for name in names:
    below = "" if name.startswith("test") else (
        f"Training Batch {1 if int(name[7:]) < 28 else 2}/")
    nibabel.save(nibabel.Nifti1Image(values, affine),
                 download(f"{below}{name}.nii"))
    if below:
      nibabel.save(
          nibabel.Nifti1Image(labels, affine),
          download(f"{below}{name.replace('volume', 'segmentation')}.nii"))


def test_lits_volumes_are_slices(download, monkeypatch):
  monkeypatch.setattr(id_lists, "shipped", lambda name: {
      "train_labeled": ("volume-10", "volume-2", "volume-30"),
      "val": ("volume-3",), "test": ("volume-4",),
      "unlabeled": ("test-volume-0", "test-volume-1")})
  _lits(download)
  dataset = download.load("lits")
  pool, free = dataset.splits["train_labeled"], dataset.splits["unlabeled"]
  assert pool.ids[:4] == (
      "volume-10_0000", "volume-10_0001", "volume-10_0002", "volume-2_0000")
  assert pool.volumes[2:4] == ("volume-10", "volume-2")
  assert dataset.splits["test"][1]["volume"] == "volume-4"
  assert len(free) == 6
  assert "label" not in free[0]
  # Labels are counted in volumes, with all their slices.
  labeled, _ = subsets.select(
      dataset, num_labeled=2, num_unlabeled=-1, split_seed=1)
  assert len(labeled) == 6
  assert len(set(labeled.volumes)) == 2
  assert labeled[0]["volume"] == labeled.volumes[0]
  with pytest.raises(errors.DataError, match="only 3"):
    subsets.select(dataset, num_labeled=4, num_unlabeled=-1, split_seed=1)


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_lits_slices_are_upright_whatever_the_affine(tmp_path, flips):
  """Bright where the patient's right front is: on the viewer's upper left."""
  values = np.full((8, 6, 3), -160, np.int16)
  values[5:, 4:, 2] = 240  # in the RAS frame: right, front, top
  affine = np.diag([1., 1, 2, 1])
  for axis, sign in enumerate(flips):
    if sign < 0:
      values = np.flip(values, axis)
      affine[axis] *= -1
      affine[axis, 3] = (values.shape[axis] - 1) * abs(affine[axis, axis])
  path = tmp_path / "volume-0.nii.gz"
  nibabel.save(nibabel.Nifti1Image(values, affine), path)
  opened = lits._opened(str(path))
  upright = lits._upright(opened, 2)
  assert upright.shape == (6, 8)
  assert (upright[:2, :3] == 240).all()
  assert (upright == 240).sum() == 6
  assert not (lits._upright(opened, 1) == 240).any()


def test_lits_incomplete_or_broken(download, monkeypatch):
  _lits(download, names=["volume-7", "test-volume-0"])
  download.fails("lits", "10 of 10", "'test'", "volume-2", "CodaLab")
  download.remove("Training Batch 1/segmentation-7.nii")
  download.fails("lits", "segmentation-*.nii")
  _lits(download, names=["volume-8"])
  download.fails("lits", "volume-7", "segmentation-<n>.nii")
  monkeypatch.setattr(id_lists, "shipped", lambda name: {
      "train_labeled": ("volume-7",), "unlabeled": ("test-volume-0",)})
  _lits(download, names=["volume-7"])
  path = download("Training Batch 1/volume-7.nii")
  path.write_bytes(path.read_bytes()[:400])
  download.fails("lits", "volume-7.nii", "not a readable volume")
  nibabel.save(nibabel.Nifti1Image(_volume()[0][..., :2], np.eye(4)), path)
  download.fails("lits", "segmentation-7.nii", "(8, 6, 2)")


def _dicom(path, values):
  """An MR slice as scanners store it: 16 bits, little-endian."""
  meta = pydicom.dataset.FileMetaDataset()
  meta.MediaStorageSOPClassUID = pydicom.uid.MRImageStorage
  meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
  meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
  data = pydicom.dataset.Dataset()
  data.file_meta = meta
  data.SOPClassUID = meta.MediaStorageSOPClassUID
  data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
  data.Rows, data.Columns = values.shape
  data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
  data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
  data.PixelRepresentation = 0
  data.PixelData = values.astype("<u2").tobytes()
  data.save_as(path, enforce_file_format=True)


def _chaos(download, patients=("1", "10", "2")):
  rng = np.random.default_rng(0)
  for patient in patients:
    below = f"Train_Sets/MR/{patient}/T1DUAL"
    for k in range(1, 4):
      for phase, number in (("InPhase", 2 * k), ("OutPhase", 2 * k - 1)):
        values = rng.integers(0, 1000, (8, 8))
        _dicom(download(
            f"{below}/DICOM_anon/{phase}/IMG-0004-{number:05d}.dcm"), values)
      ground = np.zeros((8, 8), np.uint8)
      ground[:k] = 63  # liver
      ground[6:] = 252  # spleen
      download.save(f"{below}/Ground/IMG-0004-{2 * k:05d}.png", ground)
    download.save(f"Train_Sets/MR/{patient}/T2SPIR/Ground/IMG-1.png", ground)


def test_chaos_phases_share_their_masks(download):
  _chaos(download)
  splits = download.load("chaos").splits
  for split in ("t1_in", "t1_out"):
    source = splits[split]
    assert source.volumes[::3] == (
        f"{split}_1", f"{split}_2", f"{split}_10")
    assert [source[k]["label"].mean() for k in range(3)] == [
        1 / 8, 2 / 8, 3 / 8]
    image = source[0]["image"]
    assert image.shape == (256, 256, 1)
    assert image.max() == 255  # the window follows the values
    assert image.min() == 0


def test_chaos_broken(download):
  _chaos(download)
  path = download(
      "Train_Sets/MR/2/T1DUAL/DICOM_anon/OutPhase/IMG-0004-00003.dcm")
  content = path.read_bytes()
  for bad in (b"no DICOM", content[:-20]):
    path.write_bytes(bad)
    download.fails("chaos", "IMG-0004-00003.dcm", "not a readable DICOM")
  path.unlink()
  download.fails("chaos", "OutPhase", "2 slices", "3 masks", "Zenodo")
  download.remove("**/T1DUAL/Ground/*.png")
  download.fails("chaos", "T1DUAL/Ground/*.png", "Zenodo")


def test_liver_joins_ct_and_mri(download, monkeypatch, check_config):
  monkeypatch.setattr(id_lists, "shipped", lambda name: {
      "train_labeled": ("volume-1",), "val": ("volume-2",),
      "test": ("volume-3",), "unlabeled": ("test-volume-0",)})
  part = lambda name: type(download)(download.root / name)
  _lits(part("lits"), names=["volume-1", "volume-2", "volume-3",
                             "test-volume-0"])
  _chaos(part("chaos"), patients=("5",))
  dataset = download.load("liver")
  assert dataset.labels_by_volume
  assert {k: len(v) for k, v in dataset.splits.items()} == dict.fromkeys(
      ("train_labeled", "val", "test", "unlabeled", "ood_t1_in",
       "ood_t1_out"), 3)
  check_config("liver", dataset)


@pytest.mark.parametrize(("name", "module", "extra", "write"), [
    ("lits", "nibabel", "medical", _lits),
    ("chaos", "pydicom", "medical", _chaos)])
def test_missing_package_is_named(
    download, monkeypatch, name, module, extra, write):
  write(download)
  monkeypatch.setitem(__import__("sys").modules, module, None)
  download.fails(name, module, f"semseg_jax[{extra}]")


@pytest.mark.parametrize(("array", "share"), [
    (np.array([[0, 255]], np.uint8), 0.5), (np.array([[0, 1]], np.uint8), 0.5),
    (np.zeros((1, 2), np.uint8), 0), (np.array([[100, 200]], np.uint8), 0.5)])
def test_binary_masks_of_either_white(array, share):
  content = image_files.encode_png(array)
  assert image_files.decode_binary(content, "x").mean() == share


def test_shipped_lists_are_disjoint_and_complete():
  films, volumes = (id_lists.shipped(x) for x in ("jsrt", "lits"))
  assert {k: len(v) for k, v in volumes.items()} == {
      "train_labeled": 118, "val": 3, "test": 10, "unlabeled": 70}
  volumes.pop("unlabeled")
  for lists, count in ((films, 247), (volumes, 131)):
    ids = [x for part in lists.values() for x in part]
    assert len(set(ids)) == len(ids) == count
    # The rule that docs/data.md states.
    assert id_lists.hashed(ids) == [
        x for part in ("train_labeled", "val", "test") for x in lists[part]]

"""Medical data sets from miniature downloads in their original layouts."""

import itertools

import nibabel
import numpy as np
from PIL import Image
import pydicom
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import image_files
from semseg_jax.data import intensity
from semseg_jax.data import subsets
from semseg_jax.data.sets import jsrt
from semseg_jax.data.sets import lits


def _half(height, width, left):
  """White on one side."""
  mask = np.zeros((height, width), np.uint8)
  mask[:, :width // 2] = 255 * left
  mask[:, width // 2:] = 255 * (not left)
  return mask


def _fails(download, name, *words, kind=errors.DataError, **options):
  with pytest.raises(kind) as error:
    download.load(name, **options)
  for word in words:
    assert word in str(error.value)


# --- chest X-rays


def _jsrt(download, ids=None):
  """The raw films at 32 x 32 (`_small_films`), masks of one corner each."""
  ids = ids or [x for part in id_lists.shipped("jsrt").values() for x in part]
  rng = np.random.default_rng(0)
  film = rng.integers(0, 4096, (32, 32)).astype(">u2")
  masks = {"left lung": np.zeros((16, 16), np.uint8),
           "right lung": np.zeros((16, 16), np.uint8)}
  masks["left lung"][:8, :8] = 255
  masks["right lung"][8:, 8:] = 255
  for i, name in enumerate(ids):
    download(f"All247images/{name}.IMG").write_bytes(film.tobytes())
    for side, mask in masks.items():
      download.save(f"scratch/fold{1 + i % 2}/masks/{side}/{name}.gif", mask)
  download.save(f"scratch/fold1/masks/heart/{ids[0]}.gif", masks["left lung"])


@pytest.fixture
def _small_films(monkeypatch):
  monkeypatch.setattr(jsrt, "SIDE", 32)


@pytest.mark.usefixtures("_small_films")
def test_jsrt(download):
  _jsrt(download)
  dataset = download.load("jsrt")
  assert {k: len(v) for k, v in dataset.splits.items()} == {
      "train_labeled": 175, "val": 25, "test": 47}
  assert not set(dataset.splits["test"].ids) & set(dataset.splits["val"].ids)
  example = dataset.splits["test"][0]
  assert example["image"].shape == (256, 256, 1)
  label = example["label"]
  assert label[64, 64] == label[192, 192] == 1
  assert label[64, 192] == label[192, 64] == 0
  assert dataset.spec.class_names == ("background", "lung")


@pytest.mark.usefixtures("_small_films")
def test_jsrt_incomplete(download):
  _fails(download.__class__(download.root.parent), "jsrt", "not the data set",
         "JPCLN*.IMG", "SCR database", kind=errors.AbsentError)
  _jsrt(download)
  download.remove("scratch/fold*/masks/right lung/JPCNN093.gif")
  _fails(download, "jsrt", "1 of 247", "right lung", "JPCNN093")
  download.remove("All247images/JPCNN09[13].IMG")
  _fails(download, "jsrt", "JPCNN091", "Japanese Society")
  download("All247images/JPCNN091.IMG").write_bytes(b"12")
  download.remove("scratch/fold*/masks/right lung/JPCNN09*.gif")
  _fails(download, "jsrt", "JPCNN091", "lack")


def test_jsrt_films_are_inverted_12_bit_big_endian(tmp_path):
  film = np.zeros((2048, 2048), ">u2")
  film[:, 1024:] = 4095  # as on a light box: air is bright there
  film[0, 0] = 2048
  path = tmp_path / "JPCLN001.IMG"
  path.write_bytes(film.tobytes())
  image = jsrt.raw(str(path), 1, plain=True)
  assert image.shape == (2048, 2048, 1)
  assert (image[5, 5, 0], image[0, 0, 0], image[5, 2000, 0]) == (255, 127, 0)
  path.write_bytes(film.tobytes()[:-2])
  with pytest.raises(errors.DataError, match="8388606 bytes"):
    jsrt.raw(str(path), 1, plain=True)
  film[0, 0] = 4096
  path.write_bytes(film.tobytes())
  with pytest.raises(errors.DataError, match="4096"):
    jsrt.raw(str(path), 1, plain=True)


def _montgomery(download):
  rng = np.random.default_rng(1)
  for i in range(3):
    name = f"MCUCXR_{i:04d}_{i % 2}.png"
    values = rng.integers(0, 4096, (30, 40)).astype(np.uint16)
    download.save(f"MontgomerySet/CXR_png/{name}",
                  values if i else (values >> 4).astype(np.uint8))
    for side in ("left", "right"):
      Image.fromarray(_half(30, 40, side == "left") * (i == 0)).convert(
          "1").save(download(f"MontgomerySet/ManualMask/{side}Mask/{name}"))


def test_montgomery_of_8_and_16_bits(download):
  _montgomery(download)
  test = download.load("montgomery").splits["test"]
  assert test.ids == ("MCUCXR_0000_0", "MCUCXR_0001_1", "MCUCXR_0002_0")
  assert [test[i]["label"].mean() for i in range(3)] == [1, 0, 0]
  # Equalisation leaves nothing of the depth: gamma 0.5 of an even spread.
  for i in range(3):
    assert test[i]["image"].mean() == pytest.approx(255 * 2 / 3, rel=0.1)
  plain = download.load("montgomery/plain").splits["test"]
  assert plain[1]["image"].mean() == pytest.approx(127, rel=0.1)


def _shenzhen(download):
  for i in range(4):
    name = f"CHNCXR_{i:04d}_{i % 2}"
    download.picture(f"ChinaSet_AllFiles/CXR_png/{name}.png",
                     (30, 40, 3 if i % 2 else 1), seed=i)
    if i < 3:
      download.save(f"mask/{name}_mask.png", _half(30, 40, True))


def test_shenzhen_has_pictures_without_masks(download):
  _shenzhen(download)
  dataset = download.load("shenzhen")
  assert len(dataset.splits["test"]) == 3
  assert dataset.splits["unlabeled"].ids == ("CHNCXR_0003_1",)
  assert "label" not in dataset.splits["unlabeled"][0]
  assert dataset.splits["test"][0]["label"].mean() == pytest.approx(0.5)
  download.save("mask/CHNCXR_0000_0_mask.png", _half(40, 30, True))
  _fails(download, "shenzhen", "CHNCXR_0000_0_mask.png", "30 x 40", "40 x 30")


def _nih(download, flat):
  for i in range(4):
    below = "images" if flat else f"images_{i // 2 + 1:03d}/images"
    # Some of the original's files have an alpha channel.
    download.picture(f"{below}/{i:08d}_000.png", (32, 32, 4 if i == 1 else 1))
  download.save("masks/00000002_000.png", _half(32, 32, True) // 255)


@pytest.mark.parametrize("flat", [True, False])
def test_nih_chest_xray(download, flat):
  _nih(download, flat)
  dataset = download.load("nih_chest_xray")
  assert dataset.splits["unlabeled"].ids == (
      "00000000_000", "00000001_000", "00000003_000")
  assert dataset.splits["test"].ids == ("00000002_000",)
  assert dataset.splits["test"][0]["label"].mean() == 0.5  # white is 1 here
  assert dataset.splits["unlabeled"][1]["image"].shape == (256, 256, 1)


@pytest.mark.usefixtures("_small_films")
def test_chest_xray_joins_four_sets(download, caplog, check_config):
  part = lambda name: type(download)(download.root / name)
  _jsrt(part("jsrt"))
  _fails(download, "chest_xray", "nih_chest_xray")
  _nih(part("nih_chest_xray"), flat=False)
  _montgomery(part("montgomery"))
  dataset = download.load("chest_xray")
  assert {k: len(v) for k, v in dataset.splits.items()} == {
      "train_labeled": 175, "val": 25, "test": 47, "unlabeled": 3,
      "ood_nlm": 3, "ood_nih": 1}
  assert "ood_sz" in caplog.text
  assert "Shenzhen" in caplog.text
  with pytest.raises(errors.DataError, match="no split 'ood_sz'"):
    datasets.split(dataset, "ood_sz")
  assert dataset.spec.name == "chest_xray"
  assert "Jaeger" in dataset.spec.citation
  # Half a download is not the same as none.
  part("shenzhen").picture("ChinaSet_AllFiles/CXR_png/CHNCXR_0001_0.png")
  _fails(download, "chest_xray", "mask/*_mask.png")
  part("shenzhen").remove("**/*.png")
  _shenzhen(part("shenzhen"))
  check_config("cxr", download.load("chest_xray"))


def test_equalized_uses_the_full_depth_and_starts_at_zero():
  values = np.array([[7, 7, 4000], [100, 9, 65535]], np.uint16)
  expected = np.array([[0, 0, 3], [2, 1, 4]]) / 4
  np.testing.assert_allclose(intensity.equalized(values), expected)
  np.testing.assert_array_equal(
      intensity.radiograph(values)[..., 0],
      np.rint(255 * np.sqrt(expected)).astype(np.uint8))
  assert not intensity.equalized(np.full((2, 2), 9, np.uint8)).any()


def test_plain_radiographs_keep_8_bits():
  values = np.array([[3, 90]], np.uint8)
  np.testing.assert_array_equal(
      intensity.radiograph(values, plain=True)[..., 0], values)
  deep = np.array([[100, 600, 1100]], np.uint16)
  assert intensity.radiograph(deep, plain=True).ravel().tolist() == [
      0, 128, 255]


# --- skin


def _isic2018(download, test=True):
  for part, count, first in (("Training", 6, 0), ("Validation", 2, 100),
                             ("Test", 2, 200))[:3 if test else 2]:
    for i in range(first, first + count):
      name = f"ISIC_{i:07d}"
      download.picture(
          f"ISIC2018_Task1-2_{part}_Input/{name}.jpg", (24, 32), seed=i)
      download.save(f"ISIC2018_Task1_{part}_GroundTruth/{name}_segmentation"
                    ".png", _half(24, 32, True))
    for folder in (f"ISIC2018_Task1-2_{part}_Input",
                   f"ISIC2018_Task1_{part}_GroundTruth"):
      download.text(f"{folder}/ATTRIBUTION.txt", "by somebody")


def test_isic2018(download, monkeypatch):
  monkeypatch.setattr("semseg_jax.data.sets.isic2018._POOL", 4)
  _isic2018(download)
  dataset = download.load("isic2018")
  splits = dataset.splits
  assert {k: len(v) for k, v in splits.items()} == {
      "train_labeled": 4, "test": 2, "val": 2, "challenge_test": 2}
  assert sorted({*splits["train_labeled"].ids, *splits["test"].ids}) == [
      f"ISIC_{i:07d}" for i in range(6)]
  assert splits["val"][0]["label"].shape == (256, 256)
  assert splits["val"][0]["label"].mean() == 0.5
  download.remove("ISIC2018_Task1_Training_GroundTruth/ISIC_0000003_*")
  _fails(download, "isic2018", "1 of 6", "ISIC_0000003")
  download.remove("ISIC2018_Task1_Validation_GroundTruth/*.png")
  _fails(download, "isic2018", "Validation_GroundTruth", "ISIC archive")


@pytest.mark.parametrize("below", ["ISIC_2020_Training_JPEG/train", "train",
                                   "jpeg/train"])
def test_isic2020(download, below):
  for i in range(2):
    download.picture(f"{below}/ISIC_{i:07d}.jpg")
  source = download.load("isic2020").splits["unlabeled"]
  assert len(source) == 2
  assert not source.labeled


def _ph2(download):
  for i in (2, 3):
    name = f"IMD{i:03d}"
    below = f"PH2Dataset/PH2 Dataset images/{name}"
    download.picture(f"{below}/{name}_Dermoscopic_Image/{name}.bmp", (24, 32))
    lesion = _half(24, 32, True)
    image = Image.fromarray(lesion)
    (image.convert("1") if i == 2 else image).save(
        download(f"{below}/{name}_lesion/{name}_lesion.bmp"))
    download.save(f"{below}/{name}_roi/{name}_R1_Label4.bmp", lesion)


def test_ph2(download):
  _ph2(download)
  test = download.load("ph2").splits["test"]
  assert test.ids == ("IMD002", "IMD003")
  assert [x["label"].mean() for x in (test[0], test[1])] == [0.5, 0.5]
  download.remove("**/IMD003_lesion.bmp")
  _fails(download, "ph2", "IMD003", "ADDI")


def _waterloo(download):
  for kind, atlas in itertools.product(
      ("melanoma", "notmelanoma"), ("dermis", "dermquest")):
    for name in ("D1", "12_2"):  # the same numbers in every folder
      below = f"skin_data/{kind}/{atlas}/{name}"
      download.picture(f"{below}_orig.jpg", (24, 32), seed=len(below))
      download.save(f"{below}_contour.png",
                    np.repeat(_half(24, 32, True)[..., None], 3, 2))


def test_dermis_dermquest(download):
  _waterloo(download)
  splits = download.load("dermis_dermquest").splits
  assert splits["dermis"].ids == (
      "dermis_melanoma_12_2", "dermis_melanoma_D1",
      "dermis_notmelanoma_12_2", "dermis_notmelanoma_D1")
  assert splits["dermquest"][3]["label"].mean() == 0.5
  download.remove("skin_data/notmelanoma/dermquest/*_contour.png")
  _fails(download, "dermis_dermquest", "notmelanoma/dermquest", "Waterloo")


def test_skin_lesions_joins_four_sets(download, monkeypatch, check_config):
  monkeypatch.setattr("semseg_jax.data.sets.isic2018._POOL", 4)
  part = lambda name: type(download)(download.root / name)
  _isic2018(part("isic2018"), test=False)
  part("isic2020").picture("train/ISIC_0015719.jpg")
  _ph2(part("ph2"))
  _waterloo(part("dermis_dermquest"))
  dataset = download.load("skin_lesions")
  assert {k: len(v) for k, v in dataset.splits.items()} == {
      "train_labeled": 4, "val": 2, "test": 2, "unlabeled": 1,
      "ood_ph2": 2, "ood_dermis": 4, "ood_dermquest": 4}
  labeled, free = subsets.select(
      dataset, labels=2, unlabeled=-1, split_seed=0)
  assert len(labeled) == 2
  assert free.ids == ("ISIC_0015719",)
  check_config("skin", dataset)


# --- liver


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
  labeled, _ = subsets.select(dataset, labels=2, unlabeled=-1, split_seed=1)
  assert len(labeled) == 6
  assert len(set(labeled.volumes)) == 2
  assert labeled[0]["volume"] == labeled.volumes[0]
  with pytest.raises(errors.DataError, match="only 3"):
    subsets.select(dataset, labels=4, unlabeled=-1, split_seed=1)


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
  _fails(download, "lits", "10 of 10", "'test'", "volume-2", "CodaLab")
  download.remove("Training Batch 1/segmentation-7.nii")
  _fails(download, "lits", "segmentation-*.nii")
  _lits(download, names=["volume-8"])
  _fails(download, "lits", "volume-7", "segmentation-<n>.nii")
  monkeypatch.setattr(id_lists, "shipped", lambda name: {
      "train_labeled": ("volume-7",), "unlabeled": ("test-volume-0",)})
  _lits(download, names=["volume-7"])
  path = download("Training Batch 1/volume-7.nii")
  path.write_bytes(path.read_bytes()[:400])
  _fails(download, "lits", "volume-7.nii", "not a readable volume")
  nibabel.save(nibabel.Nifti1Image(_volume()[0][..., :2], np.eye(4)), path)
  _fails(download, "lits", "segmentation-7.nii", "(8, 6, 2)")


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
    _fails(download, "chaos", "IMG-0004-00003.dcm", "not a readable DICOM")
  path.unlink()
  _fails(download, "chaos", "OutPhase", "2 slices", "3 masks", "Zenodo")
  download.remove("**/T1DUAL/Ground/*.png")
  _fails(download, "chaos", "T1DUAL/Ground/*.png", "Zenodo")


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
  _fails(download, name, module, f"semseg_jax[{extra}]")


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

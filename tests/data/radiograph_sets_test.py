"""Chest X-rays from miniature downloads in their original layouts."""

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import id_lists
from semseg_jax.data import intensity
from semseg_jax.data.sets import jsrt


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
  download.__class__(download.root.parent).fails("jsrt", "not the data set",
         "JPCLN*.IMG", "SCR database", kind=errors.AbsentError)
  _jsrt(download)
  download.remove("scratch/fold*/masks/right lung/JPCNN093.gif")
  download.fails("jsrt", "1 of 247", "right lung", "JPCNN093")
  download.remove("All247images/JPCNN09[13].IMG")
  download.fails("jsrt", "JPCNN091", "Japanese Society")
  download("All247images/JPCNN091.IMG").write_bytes(b"12")
  download.remove("scratch/fold*/masks/right lung/JPCNN09*.gif")
  download.fails("jsrt", "JPCNN091", "lack")


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
      Image.fromarray(download.half(30, 40, side == "left") * (i == 0)).convert(
          "1").save(download(f"MontgomerySet/ManualMask/{side}Mask/{name}"))


def test_montgomery_of_8_and_16_bits(download):
  _montgomery(download)
  test = download.load("montgomery").splits["test"]
  assert test.ids == ("MCUCXR_0000_0", "MCUCXR_0001_1", "MCUCXR_0002_0")
  assert [test[i]["label"].mean() for i in range(3)] == [1, 0, 0]
  # Equalization leaves nothing of the depth: gamma 0.5 of an even spread.
  for i in range(3):
    assert test[i]["image"].mean() == pytest.approx(255 * 2 / 3, rel=0.1)
  plain = download.load("montgomery/plain").splits["test"]
  assert plain[1]["image"].mean() == pytest.approx(127, rel=0.1)


def _shenzhen(download):
  for i in range(4):
    name = f"CHNCXR_{i:04d}_{i % 2}"
    download.image(f"ChinaSet_AllFiles/CXR_png/{name}.png",
                   (30, 40, 3 if i % 2 else 1), seed=i)
    if i < 3:
      download.save(f"mask/{name}_mask.png", download.half(30, 40, True))


def test_shenzhen_has_images_without_masks(download):
  _shenzhen(download)
  dataset = download.load("shenzhen")
  assert len(dataset.splits["test"]) == 3
  assert dataset.splits["unlabeled"].ids == ("CHNCXR_0003_1",)
  assert "label" not in dataset.splits["unlabeled"][0]
  assert dataset.splits["test"][0]["label"].mean() == pytest.approx(0.5)
  download.save("mask/CHNCXR_0000_0_mask.png", download.half(40, 30, True))
  download.fails("shenzhen", "CHNCXR_0000_0_mask.png", "30 x 40", "40 x 30")


def _nih(download, flat):
  for i in range(4):
    below = "images" if flat else f"images_{i // 2 + 1:03d}/images"
    # Some of the original's files have an alpha channel.
    download.image(f"{below}/{i:08d}_000.png", (32, 32, 4 if i == 1 else 1))
  download.save("masks/00000002_000.png", download.half(32, 32, True) // 255)


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
  download.fails("chest_xray", "nih_chest_xray")
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
  part("shenzhen").image("ChinaSet_AllFiles/CXR_png/CHNCXR_0001_0.png")
  download.fails("chest_xray", "mask/*_mask.png")
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

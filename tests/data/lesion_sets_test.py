"""Dermoscopy from miniature downloads in their original layouts."""

import itertools

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import subsets


def _isic2018(download, test=True):
  for part, count, first in (("Training", 6, 0), ("Validation", 2, 100),
                             ("Test", 2, 200))[:3 if test else 2]:
    for i in range(first, first + count):
      name = f"ISIC_{i:07d}"
      download.image(
          f"ISIC2018_Task1-2_{part}_Input/{name}.jpg", (24, 32), seed=i)
      download.save(f"ISIC2018_Task1_{part}_GroundTruth/{name}_segmentation"
                    ".png", download.half(24, 32, True))
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
  download.fails("isic2018", "1 of 6", "ISIC_0000003")
  download.remove("ISIC2018_Task1_Validation_GroundTruth/*.png")
  download.fails("isic2018", "Validation_GroundTruth", "ISIC archive")


@pytest.mark.parametrize("below", ["ISIC_2020_Training_JPEG/train", "train",
                                   "jpeg/train"])
def test_isic2020(download, below):
  for i in range(2):
    download.image(f"{below}/ISIC_{i:07d}.jpg")
  source = download.load("isic2020").splits["unlabeled"]
  assert len(source) == 2
  assert not source.labeled


def _ph2(download):
  for i in (2, 3):
    name = f"IMD{i:03d}"
    below = f"PH2Dataset/PH2 Dataset images/{name}"
    download.image(f"{below}/{name}_Dermoscopic_Image/{name}.bmp", (24, 32))
    lesion = download.half(24, 32, True)
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
  download.fails("ph2", "IMD003", "ADDI")


def _waterloo(download):
  for kind, atlas in itertools.product(
      ("melanoma", "notmelanoma"), ("dermis", "dermquest")):
    for name in ("D1", "12_2"):  # the same numbers in every folder
      below = f"skin_data/{kind}/{atlas}/{name}"
      download.image(f"{below}_orig.jpg", (24, 32), seed=len(below))
      download.save(f"{below}_contour.png",
                    np.repeat(download.half(24, 32, True)[..., None], 3, 2))


def test_dermis_dermquest(download):
  _waterloo(download)
  splits = download.load("dermis_dermquest").splits
  assert splits["dermis"].ids == (
      "dermis_melanoma_12_2", "dermis_melanoma_D1",
      "dermis_notmelanoma_12_2", "dermis_notmelanoma_D1")
  assert splits["dermquest"][3]["label"].mean() == 0.5
  download.remove("skin_data/notmelanoma/dermquest/*_contour.png")
  download.fails("dermis_dermquest", "notmelanoma/dermquest", "Waterloo")


def test_skin_lesions_joins_four_sets(download, monkeypatch, check_config):
  monkeypatch.setattr("semseg_jax.data.sets.isic2018._POOL", 4)
  part = lambda name: type(download)(download.root / name)
  _isic2018(part("isic2018"), test=False)
  part("isic2020").image("train/ISIC_0015719.jpg")
  _ph2(part("ph2"))
  _waterloo(part("dermis_dermquest"))
  dataset = download.load("skin_lesions")
  assert {k: len(v) for k, v in dataset.splits.items()} == {
      "train_labeled": 4, "val": 2, "test": 2, "unlabeled": 1,
      "ood_ph2": 2, "ood_dermis": 4, "ood_dermquest": 4}
  labeled, free = subsets.select(
      dataset, num_labeled=2, num_unlabeled=-1, split_seed=0)
  assert len(labeled) == 2
  assert free.ids == ("ISIC_0015719",)
  check_config("skin", dataset)

"""Faces and the few-shot sets from miniature downloads in their layouts."""

import lmdb
import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import few_shot
from semseg_jax.data.sets import celebamask_hq
from semseg_jax.data.sets import lsun


def _celebamask_hq(download):
  """Every part is a column of its own, but skin, which is everywhere."""
  for n in (0, 27500, 28000, 29500):
    download.image(f"CelebA-HQ-img/{n}.jpg", (64, 64), seed=n)
    for i, part in enumerate(celebamask_hq.PARTS):
      mask = np.zeros((256, 256), np.uint8)
      mask[:, 10 * i:10 * (i + 1)] = 255
      if part == "skin":
        mask[:128] = 255
      download.save(
          f"CelebAMask-HQ-mask-anno/{n // 2000}/{n:05d}_{part}.png",
          np.repeat(mask[..., None], 3, 2))


@pytest.mark.parametrize(("name", "expected"), [
    ("celebamask_hq", {"u_lip": "mouth", "mouth": "mouth", "neck": "background",
          "eye_g": "skin", "r_ear": "ear", "hat": "background"}),
    ("celebamask_hq/19", {part: part for part in celebamask_hq.PARTS}),
    ("celeba_parts10", {
        "u_lip": "mouth", "mouth": "mouth", "neck_l": "neck", "cloth":
        "clothes", "eye_g": "skin", "r_ear": "ear", "ear_r": "ear", "l_brow":
        "brow", "hair": "hair", "hat": "rest"}),
    ("celeba_parts4", {
        "l_eye": "eye", "r_eye": "eye", "nose": "nose", "l_lip": "mouth",
        "mouth": "mouth", "skin": "rest", "hair": "rest"}),
])
def test_celebamask_hq_groupings(download, name, expected):
  _celebamask_hq(download)
  dataset = download.load(name)
  assert {k: v.ids for k, v in dataset.splits.items()} == {
      "unlabeled": ("0", "27500"), "val": ("27500",),
      "train_labeled": ("28000",), "test": ("29500",)}
  label = dataset.splits["test"][0]["label"]
  names = dataset.spec.class_names
  columns = {part: names[label[250, 10 * i + 5]]
             for i, part in enumerate(celebamask_hq.PARTS)}
  assert {part: columns[part] for part in expected} == expected
  assert set(names) == {*columns.values(), names[0]}
  if name == "celebamask_hq/19":
    assert names[1:4] == ("skin", "nose", "eye_g")
    assert names[18] == "cloth"


def test_unknown_variant_lists_the_known():
  with pytest.raises(errors.DataError, match="'18'; it has 19"):
    datasets.load("celebamask_hq/18")
  with pytest.raises(errors.DataError, match="no variant 'x'; it has none"):
    datasets.load("metfaces/x")


def _metfaces(download):
  colors = np.array(celebamask_hq.COLORS, np.uint8)
  label = np.repeat(np.arange(8, dtype=np.uint8), 8).reshape(8, 8)
  for i in range(4):
    download.image(f"images/{i:05d}-00.png", (8, 8), seed=i)
  download.save("masks/00000-00.png", label)
  download.save("masks/00001-00.png", label, palette=colors[::-1])
  painted = colors[label]
  painted[0, 0] = (9, 9, 9)
  download.save("masks/00002-00.png", np.concatenate(
      [painted, np.full((8, 8, 1), 255, np.uint8)], 2))


def test_metfaces_masks_by_index_palette_or_colour(download):
  _metfaces(download)
  dataset = download.load("metfaces")
  assert len(dataset.splits["unlabeled"]) == 4
  test = dataset.splits["test"]
  assert test.ids == ("00000-00", "00001-00", "00002-00")
  for i in range(3):
    assert test[i]["label"][16::32, 48].tolist() == list(range(8))
  assert test[2]["label"][16, 16] == 255  # no class's color
  download.save("masks/00003-00.png", np.full((8, 8), 8, np.uint8))
  download.fails("metfaces", "00003-00.png", "class index 8")


def test_faces_joins_photographs_and_paintings(download, caplog, check_config):
  part = lambda name: type(download)(download.root / name)
  _celebamask_hq(part("celebamask_hq"))
  dataset = download.load("faces")
  assert set(dataset.splits) == set(celebamask_hq.RANGES)
  assert "ood_metfaces" in caplog.text
  _metfaces(part("metfaces"))
  dataset = download.load("faces")
  assert len(dataset.splits["ood_metfaces"]) == 3
  assert "labeled_1_seed0" in dataset.lists
  check_config("faces", dataset)


def _lmdb(download, name, count=5):
  folder = download(f"{name}/data.mdb").parent
  with lmdb.open(str(folder), map_size=1 << 22) as database, \
      database.begin(write=True) as transaction:
    for i in range(count):
      path = download("x.webp")
      pixels = np.random.default_rng(i).integers(0, 255, (20, 30, 3), np.uint8)
      Image.fromarray(pixels).save(path, lossless=True)
      transaction.put(f"{i:040x}".encode(), path.read_bytes())
  download.remove("x.webp")


@pytest.mark.parametrize(("variant", "folder", "classes"), [
    ("church", "church_outdoor_train_lmdb", 151), ("cat", "cat", 9),
    ("car", "car_lmdb", 5)])
def test_lsun(download, monkeypatch, variant, folder, classes):
  monkeypatch.setattr(lsun, "LIMIT", 4)
  _lmdb(download, folder)
  dataset = download.load(f"lsun/{variant}")
  source = dataset.splits["unlabeled"]
  assert source.ids == tuple(f"{variant}_{i:040x}" for i in range(4))
  np.testing.assert_array_equal(
      source[2]["image"],
      np.random.default_rng(2).integers(0, 255, (20, 30, 3), np.uint8))
  assert dataset.spec.num_classes == classes
  assert set(dataset.splits) == {"unlabeled"}


def test_lsun_shots_lie_beside_the_archive(download):
  _lmdb(download, "church_outdoor_train_lmdb", 1)
  download.image("shots/images/a.png")
  download.image("shots/images/b.jpg")
  for name in "ab":
    download.save(f"shots/masks/{name}.png", np.full((24, 32), 150, np.uint8))
  dataset = download.load("lsun/church")
  assert dataset.splits["train_labeled"].ids == ("a", "b")
  assert dataset.spec.class_names[2] == "building"
  download.remove("shots/masks/b.png")
  download.fails("lsun/church", "shots/masks/{id}.png: b")


def test_lsun_broken(download):
  download.fails("lsun", "lsun/church")
  download("cat/data.mdb").write_bytes(b"x" * 9000)
  download.fails("lsun/cat", "cat", "not a readable LMDB")
  download.fails("lsun/car", "car*/data.mdb", "LSUN page")
  _lmdb(download, "car")
  _lmdb(download, "car_lmdb")
  download.fails("lsun/car", "second archive")


def _celeba(download):
  lines = []
  for i in range(1, 5):
    name = f"{i:06d}.jpg"
    download.image(f"Img/img_align_celeba/{name}", (218, 178), seed=i)
    lines.append(
        f"{name} 69  109  106  113   77  142   73  152  108  {150 + i}")
  download.text(
      "Anno/list_landmarks_align_celeba.txt", "4", "lefteye_x lefteye_y "
      "righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y "
      "rightmouth_x rightmouth_y", *lines)
  download.text("Eval/list_eval_partition.txt", "000001.jpg 0",
                "000002.jpg 0", "000003.jpg 1", "000004.jpg 2")


def test_celeba_landmarks(download):
  _celeba(download)
  dataset = download.load("celeba_landmarks")
  assert {k: v.ids for k, v in dataset.splits.items()} == {
      "train_labeled": ("000001", "000002"), "val": ("000003",),
      "test": ("000004",)}
  example = dataset.splits["test"][0]
  assert example["image"].shape == (218, 178, 3)
  label = example["label"]
  assert [label[y, x] for x, y in (
      (69, 109), (106, 113), (77, 142), (73, 152), (108, 154))] == [
          1, 2, 3, 4, 5]
  assert (label > 0).sum() == 5 * 13
  dataset = download.load("celeba_landmarks/70")
  assert dataset.spec.num_classes == 71
  assert len(dataset.splits["unlabeled"]) == 4


def test_celeba_landmarks_broken(download):
  _celeba(download)
  path = download("Anno/list_landmarks_align_celeba.txt")
  text = path.read_text()
  path.write_text(text.replace("000003.jpg", "000009.jpg"))
  download.fails("celeba_landmarks", "000003", "1 of 4", "CelebA project")
  path.write_text(text.replace("  109  ", "  "))
  download.fails("celeba_landmarks", "cannot read the line")
  path.unlink()
  download.fails("celeba_landmarks", "list_landmarks_align_celeba.txt")


@pytest.mark.parametrize(("name", "below", "classes"), [
    ("ukiyo_e", "ukiyoe-1024-v2", 8), ("anime_faces", "portraits/0000", 2)])
def test_drawn_faces(download, name, below, classes):
  for i in range(3):
    download.image(f"{below}/{i}.jpg", (32, 32), seed=i)
  download.image("shots/images/1.png", (32, 32))
  download.save("shots/masks/1.png",
                np.full((32, 32), classes - 1, np.uint8))
  dataset = download.load(name)
  assert dataset.splits["unlabeled"].ids == ("0", "1", "2")
  assert dataset.splits["unlabeled"][0]["image"].shape == (256, 256, 3)
  assert dataset.splits["train_labeled"][0]["label"].shape == (32, 32)
  assert dataset.spec.num_classes == classes
  download.remove(f"{below}/*.jpg")
  download.fails(name, "jpg")


def test_classes_are_named_or_numbered():
  spec = few_shot.classes(4, ("unknown",))
  assert spec["class_names"] == ("unknown", "class 1", "class 2", "class 3")
  assert spec["colors"].shape == (4, 3)

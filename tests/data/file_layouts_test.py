"""Small trees laid out as the official code's data and CelebAMask-HQ."""

import json

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import datasets
from semseg_jax.data import errors
from semseg_jax.data import subsets
from semseg_jax.data.sets import celebamask_hq


def _image(path, seed, size=(16, 16)):
  path.parent.mkdir(parents=True, exist_ok=True)
  rng = np.random.default_rng(seed)
  Image.fromarray(rng.integers(0, 255, (*size, 3), np.uint8)).save(path)


def _gray(path, array):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.asarray(array, np.uint8)).save(path)


@pytest.fixture
def official(tmp_path):
  root = tmp_path / "match_official"
  label = root / "label_data"
  for i in range(6):
    _image(label / f"image/{i}.jpg", i)
    _gray(label / f"label/{i}.png", np.full((16, 16), i))
  for i in range(4):  # the same names as labeled ones, other images
    _image(root / f"unlabel_data/image/{i}.png", 100 + i)
  lists = {
      label / "train_full_list.txt": ["0.jpg", "1.jpg", "2.jpg"],
      label / "train_2_list.txt": ["2.jpg", "0.jpg"],
      label / "val_2_list.txt": ["3"],
      label / "test_list.txt": ["4.jpg", "5.jpg"],
      root / "unlabel_data/unlabel_list.txt": [f"{i}.png" for i in range(4)],
      root / "unlabel_data/unlabel_2_list.txt": ["3.png", "1.png"]}
  for path, lines in lists.items():
    path.write_text("\n".join(lines) + "\n")
  return root


def _load_official(root):
  return datasets.load("semantic_gan_official", data_dir=str(root),
                       cache_dir=str(root.parent / "cache"))


def test_official_layout(official):
  dataset = _load_official(official)
  assert dataset.spec.class_names == celebamask_hq.CLASSES
  assert {k: v.ids for k, v in dataset.splits.items()} == {
      "train_labeled": ("0", "1", "2"), "val": ("3",), "test": ("4", "5"),
      "unlabeled": ("0", "1", "2", "3")}
  assert (dataset.splits["test"][1]["label"] == 5).all()
  assert len(subsets.select(dataset, num_labeled=2, num_unlabeled=-1,
                            split_seed=0, pool_repeats=3)[1]) == 4
  labeled, free = subsets.select(
      dataset, num_labeled=2, num_unlabeled=2, split_seed=0)
  assert labeled.ids == ("2", "0")
  assert free.ids == ("3", "1")
  np.testing.assert_array_equal(
      free[0]["image"],
      np.asarray(Image.open(official / "unlabel_data/image/3.png")))


def test_official_layout_with_other_classes(official):
  (official / "classes.json").write_text(json.dumps({
      "classes": ["no", "yes"], "colours": [[0, 0, 0], [255, 0, 0]]}))
  with pytest.raises(errors.DataError, match="class index 2"):
    _load_official(official)


def test_official_layout_without_its_list(official):
  (official / "label_data/train_full_list.txt").unlink()
  with pytest.raises(errors.DataError, match="train_full_list.txt.*missing"):
    _load_official(official)


_NUMBERS = (0, 1, 27500, 28000, 28001, 28002, 29500, 29999)


def _square(top, left, side=4):
  mask = np.zeros((32, 32), np.uint8)
  mask[top:top + side, left:left + side] = 255
  return mask


@pytest.fixture
def faces(tmp_path):
  root = tmp_path / "faces"
  for n in _NUMBERS:
    _image(root / f"CelebA-HQ-img/{n}.jpg", n, (64, 64))
    for part, mask in {
        "skin": np.full((32, 32), 255), "l_eye": _square(4, 4),
        "r_eye": _square(4, 20), "eye_g": _square(2, 2, 8),
        "u_lip": _square(20, 10), "mouth": _square(24, 10),
        "hat": _square(0, 0, 3), "hair": _square(0, 0, 5)}.items():
      folder = root / f"CelebAMask-HQ-mask-anno/{n // 2000}"
      _gray(folder / f"{n:05d}_{part}.png", mask)
  return root


def _load_faces(root, **options):
  return datasets.load("celebamask_hq", data_dir=str(root),
                       cache_dir=str(root.parent / "cache"), **options)


def test_faces_splits_and_merge(faces):
  dataset = _load_faces(faces, size=64)
  assert {k: v.ids for k, v in dataset.splits.items()} == {
      "unlabeled": ("0", "1", "27500"), "val": ("27500",),
      "train_labeled": ("28000", "28001", "28002"),
      "test": ("29500", "29999")}
  example = dataset.splits["test"][0]
  assert example["image"].shape == (256, 256, 3)
  assert example["label"].shape == (256, 256)
  names = np.array(celebamask_hq.CLASSES)[example["label"]]
  at = lambda y, x: names[8 * y + 4, 8 * x + 4]
  assert at(0, 0) == "background"  # hat over hair
  assert at(3, 3) == "hair"
  assert at(6, 6) == "eye"
  assert at(9, 9) == "skin"  # glasses
  assert at(5, 21) == "eye"
  assert at(21, 11) == at(25, 11) == "mouth"
  assert at(30, 30) == "skin"
  labeled, _ = subsets.select(
      dataset, num_labeled=2, num_unlabeled=-1, split_seed=0)
  assert labeled.ids == ("28000", "28001")


def test_faces_stored_size(faces):
  assert _load_faces(faces).splits["val"][0]["label"].shape == (512, 512)
  with Image.open(faces / "CelebA-HQ-img/0.jpg") as image:
    assert image.size == (64, 64)  # the source is never touched


def test_faces_colours_and_order():
  spec = celebamask_hq.spec()
  assert spec.class_names == ("background", "ear", "eye", "eyebrow", "skin",
                              "hair", "mouth", "nose")
  assert spec.colors[spec.class_names.index("hair")].tolist() == [102, 205, 170]
  assert sorted(set(celebamask_hq.PARTS.values())) == list(range(8))


@pytest.mark.parametrize(("spoil", "words"), [
    (lambda root: [p.unlink() for p in root.glob("*/14/29500_*")],
     ["29500", "mask-anno"]),
    (lambda root: (root / "CelebAMask-HQ-mask-anno/14/29500_skin.png")
     .write_bytes(b"x"), ["29500_skin.png"]),
    (lambda root: (root / "CelebAMask-HQ-mask-anno/14/29500_wing.png")
     .write_bytes(b"x"), ["29500_wing.png", "unknown part"]),
    (lambda root: (root / "CelebA-HQ-img/1.jpg").write_bytes(b"x"), ["1.jpg"]),
    (lambda root: _gray(
        root / "CelebAMask-HQ-mask-anno/14/29500_skin.png",
        np.zeros((8, 8))), ["29500", "differ in size"]),
])
def test_faces_broken(faces, spoil, words):
  spoil(faces)
  with pytest.raises(errors.DataError) as error:
    _load_faces(faces)
  for word in words:
    assert word in str(error.value)

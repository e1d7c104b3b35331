"""PASCAL, Cityscapes and CamVid from miniature downloads in their layouts."""

import json

import numpy as np
import pytest
import scipy.io

from semseg_jax.data import id_lists
from semseg_jax.data import image_files
from semseg_jax.data import pascal
from semseg_jax.data import subsets
from semseg_jax.data.sets import camvid
from semseg_jax.data.sets import cityscapes
from semseg_jax.data.sets import pascal_context
from semseg_jax.data.sets import pascal_part


def test_palette_is_that_of_voc():
  colors = pascal.palette(22).tolist()
  assert colors[:4] == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
  assert colors[20] == [0, 64, 128]  # tvmonitor
  assert pascal.palette(256)[255].tolist() == [224, 224, 192]  # the border
  assert len({tuple(c) for c in pascal.palette(60).tolist()}) == 60


# --- PASCAL VOC

_TRAIN, _VAL = ("2007_000032", "2007_000039"), ("2007_000033", "2008_000002")


def _voc_mask(value):
  """Palette indices whose colors say nothing, with VOC's border."""
  mask = np.full((20, 30), value, np.uint8)
  mask[0] = 255
  return mask


def _pascal_voc(download):
  below = "VOCdevkit/VOC2012"
  for i, name in enumerate(_TRAIN + _VAL):
    download.image(f"{below}/JPEGImages/{name}.jpg", (20, 30), seed=i)
    download.save(f"{below}/SegmentationClass/{name}.png", _voc_mask(i),
                  palette=pascal.palette(256))
  download.text(f"{below}/ImageSets/Segmentation/train.txt", *_TRAIN)
  download.text(f"{below}/ImageSets/Segmentation/val.txt", *_VAL)


def _sbd(download):
  """SBD: an image of VOC's train, one of its val, and two more."""
  below = "benchmark_RELEASE/dataset"
  lists = {"train": (_TRAIN[1], "2008_000008"), "val": (_VAL[1], "2010_000005")}
  for split, ids in lists.items():
    download.text(f"{below}/{split}.txt", *ids)
    for name in ids:
      if name not in _TRAIN + _VAL:
        download.image(f"VOCdevkit/VOC2012/JPEGImages/{name}.jpg", (20, 30))
      segmentation = np.full((20, 30), 20, np.uint8)
      scipy.io.savemat(download(f"{below}/cls/{name}.mat"), {"GTcls": {
          "Boundaries": np.zeros((1, 1)), "Segmentation": segmentation,
          "CategoriesPresent": np.array([[20]])}})


def test_pascal_voc_palette_masks_are_indices(download):
  _pascal_voc(download)
  dataset = download.load("pascal_voc")
  assert dataset.splits["train"].ids == _TRAIN
  example = dataset.splits["val"][0]
  assert example["image"].shape == (20, 30, 3)  # native size
  np.testing.assert_array_equal(example["label"], _voc_mask(2))
  assert dataset.spec.class_names[15] == "person"
  assert dataset.spec.ignore_index == 255


def test_pascal_voc_aug(download):
  _pascal_voc(download)
  download.fails("pascal_voc/aug", "benchmark_RELEASE/dataset/cls/*.mat",
         "Semantic Boundaries")
  _sbd(download)
  dataset = download.load("pascal_voc/aug")
  train = dataset.splits["train"]
  assert train.ids == (*_TRAIN, "2008_000008", "2010_000005")
  assert dataset.splits["val"].ids == _VAL
  np.testing.assert_array_equal(train[1]["label"], _voc_mask(1))  # VOC's own
  assert (train[3]["label"] == 20).all()
  labeled, free = subsets.select(
      dataset, num_labeled=1, num_unlabeled=3, split_seed=0)
  assert not set(labeled.ids) & set(free.ids)
  assert dataset.spec.name == "pascal_voc_aug"


def test_pascal_voc_aug_with_converted_masks(download):
  _pascal_voc(download)
  for name in (*_TRAIN, *_VAL, "2008_000008"):
    download.image(f"VOCdevkit/VOC2012/JPEGImages/{name}.jpg", (20, 30))
    download.save(f"VOCdevkit/VOC2012/SegmentationClassAug/{name}.png",
                  np.full((20, 30), 20, np.uint8))
  train = download.load("pascal_voc/aug").splits["train"]
  assert train.ids == (*_TRAIN, "2008_000008")
  np.testing.assert_array_equal(train[0]["label"], _voc_mask(0))
  assert (train[2]["label"] == 20).all()


def test_pascal_voc_broken(download):
  _pascal_voc(download)
  _sbd(download)
  path = download("benchmark_RELEASE/dataset/cls/2008_000008.mat")
  scipy.io.savemat(path, {"GTinst": 1})
  download.fails("pascal_voc/aug", "2008_000008.mat", "GTcls")
  path.write_bytes(b"no matrices here at all")
  download.fails("pascal_voc/aug", "2008_000008.mat", "not a readable .mat")
  download.remove("VOCdevkit/VOC2012/SegmentationClass/2007_000039.png")
  download.fails("pascal_voc", "2007_000039", "1 of 2", "PASCAL VOC")
  download.remove("VOCdevkit/VOC2012/ImageSets/Segmentation/*.txt")
  download.fails("pascal_voc", "val.txt")


# --- PASCAL-Context


def _context(download, drop=()):
  names = ["accordion", *pascal_context.CLASSES, "zebra"]
  index = {name: 3 * i for i, name in enumerate(names, 1)}  # sparse, sorted
  download.text("labels.txt", *(
      f"{i}: {name}" for name, i in index.items() if name not in drop))
  below = "VOCdevkit/VOC2010"
  labels = np.full((20, 30), index["accordion"], np.uint16)
  labels[5:] = index["wood"]
  labels[10:] = index["aeroplane"]
  for split, ids in (("train", ("2008_000002", "2008_000003")),
                     ("val", ("2008_000007",))):
    download.text(f"{below}/ImageSets/Main/{split}.txt", *ids)
    for name in ids:
      download.image(f"{below}/JPEGImages/{name}.jpg", (20, 30))
      scipy.io.savemat(download(f"trainval/{name}.mat"), {"LabelMap": labels})
  download.image(f"{below}/JPEGImages/2008_000009.jpg", (20, 30))  # in no list


def test_pascal_context_60_and_59(download):
  _context(download)
  dataset = download.load("pascal_context")
  assert {k: len(v) for k, v in dataset.splits.items()} == {
      "train": 2, "val": 1}
  assert dataset.spec.num_classes == 60
  label = dataset.splits["val"][0]["label"]
  assert label[[0, 6, 12], 0].tolist() == [0, 59, 1]
  names = dataset.spec.class_names
  assert (names[0], names[1], names[59]) == ("background", "aeroplane", "wood")
  other = download.load("pascal_context/59")
  assert other.spec.num_classes == 59
  label = other.splits["val"][0]["label"]
  assert label[[0, 6, 12], 0].tolist() == [255, 58, 0]
  np.testing.assert_array_equal(other.spec.colors, dataset.spec.colors[1:])


def test_pascal_context_broken(download):
  _context(download, drop=("wood", "dog"))
  download.fails("pascal_context", "labels.txt", "lacks dog, wood")
  _context(download)
  download.remove("trainval/2008_000003.mat")
  download.fails("pascal_context", "2008_000003", "PASCAL-Context page")
  _context(download)
  scipy.io.savemat(download("trainval/2008_000003.mat"), {
      "LabelMap": np.full((20, 30), 999, np.uint16)})
  download.fails("pascal_context", "2008_000003.mat", "999")


# --- Cityscapes


def _cityscapes(download, polygons=False):
  """A road below a car with a licence plate, sky above, an unknown thing."""
  ids = np.full((16, 32), 23, np.uint8)
  ids[8:] = 7
  ids[8:12, 4:12] = 26
  ids[0, 0] = 4  # static
  box = lambda x0, y0, x1, y1: [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
  scene = {"imgHeight": 16, "imgWidth": 32, "objects": [
      {"label": "sky", "polygon": box(0, 0, 31, 15)},
      {"label": "static", "polygon": box(0, 0, 0, 0)},
      {"label": "road", "polygon": box(0, 8, 31, 15)},
      {"label": "cargroup", "polygon": box(4, 8, 11, 11)},
      {"label": "license plate", "polygon": box(6, 9, 7, 10)},
      {"label": "dog", "deleted": 1, "polygon": box(0, 0, 31, 15)}]}
  for split, city in (("train", "aachen"), ("train", "bochum"),
                      ("val", "lindau")):
    name = f"{split}/{city}/{city}_000000_000019"
    download.image(f"leftImg8bit/{name}_leftImg8bit.png", (16, 32))
    if polygons:
      download.text(f"gtFine/{name}_gtFine_polygons.json", json.dumps(scene))
    else:
      download.save(f"gtFine/{name}_gtFine_labelIds.png", ids)
      download.image(f"gtFine/{name}_gtFine_color.png", (16, 32, 4))
      download.text(f"gtFine/{name}_gtFine_polygons.json", "{}")


def _check_street(label):
  names = cityscapes.CLASSES
  index = {name: i for i, name in enumerate(names)}
  expected = np.full((16, 32), index["sky"], np.uint8)
  expected[8:] = index["road"]
  expected[8:12, 4:12] = index["car"]
  expected[0, 0] = 255
  np.testing.assert_array_equal(label, expected)


@pytest.mark.parametrize("polygons", [False, True])
def test_cityscapes(download, polygons):
  _cityscapes(download, polygons)
  dataset = download.load("cityscapes")
  assert dataset.splits["train"].ids == (
      "aachen_000000_000019", "bochum_000000_000019")
  _check_street(dataset.splits["val"][0]["label"])
  assert dataset.spec.num_classes == 19
  assert dataset.spec.class_names[13] == "car"


def test_cityscapes_half(download):
  _cityscapes(download)
  example = download.load("cityscapes/half").splits["val"][0]
  assert example["image"].shape == (8, 16, 3)
  assert example["label"].shape == (8, 16)
  assert (example["label"][4:6, 2:6] == 13).all()


def test_cityscapes_broken(download):
  _cityscapes(download)
  download.remove("gtFine/train/bochum/*_labelIds.png")
  download.fails("cityscapes", "bochum_000000_000019", "gtFine_trainvaltest")
  download.remove("gtFine/train/aachen/*_labelIds.png")  # the polygons are {}
  download.fails("cityscapes", "polygons.json", "imgWidth")
  download.remove("gtFine/val/lindau/*")
  download.fails("cityscapes", "gtFine/val/*/*_gtFine_*")


# --- CamVid


def _camvid(download, count=701):
  listed = [x for p in id_lists.shipped("camvid").values() for x in p]
  ids = [*listed, *(f"Seq05VD_f{i:05d}" for i in range(count - len(listed)))]
  colors, lines = {}, []
  names = " ".join(names for _, names in camvid.CLASSES.values()).split()
  for i, name in enumerate([*sorted(names), "Void"]):
    colors[name] = (64 * (i % 4), 64 * (i // 4 % 4), 64 * (i // 16))
    lines.append(" ".join(map(str, colors[name])) + f"\t\t{name}")
  download.text("label_colors.txt", *lines)
  mask = np.zeros((6, 8, 3), np.uint8)
  mask[:] = colors["Sky"]
  mask[2:] = colors["LaneMkgsDriv"]
  mask[4:] = colors["Void"]
  mask[5, 5] = (1, 2, 3)  # no class's
  image = image_files.encode_png(mask // 2)
  mask = image_files.encode_png(mask)
  for name in ids:
    download(f"701_StillsRaw_full/{name}.png").write_bytes(image)
    download(f"LabeledApproved_full/{name}_L.png").write_bytes(mask)


def test_camvid_original(download):
  _camvid(download)
  dataset = download.load("camvid/original")
  assert {k: len(v) for k, v in dataset.splits.items()} == {
      "train": 367, "val": 101, "test": 233}
  label = dataset.splits["test"][0]["label"]
  assert label[[0, 2, 4, 5], 5].tolist() == [0, 3, 255, 255]
  assert dataset.spec.class_names[3] == "road"
  labeled, _ = subsets.select(
      dataset, num_labeled=46, num_unlabeled=0, split_seed=2)
  assert labeled.ids == dataset.lists["labeled_184_seed2"][:46]


def test_camvid_original_incomplete(download):
  _camvid(download, 468)
  download.remove("LabeledApproved_full/0001TP_006690_L.png")
  download.fails("camvid/original", "0001TP_006690", "Cambridge-driving")
  download.remove("701_StillsRaw_full/0001TP_006690.png")
  download.fails("camvid/original", "'train'", "0001TP_006690")
  lines = download("label_colors.txt").read_text().splitlines()
  download.text("label_colors.txt", *(x for x in lines if "Sky" not in x))
  _camvid_image = id_lists.shipped("camvid")["train"][0]
  for path in (f"701_StillsRaw_full/{_camvid_image}.png",
               f"LabeledApproved_full/{_camvid_image}_L.png"):
    download.image(path)
  download.fails("camvid/original", "label_colors.txt", "lacks Sky")


# --- PASCAL-Part


def _thing(kind, box, parts=()):
  """An object as `anno` has it; parts: (name, box)."""
  def mask(region):
    y0, y1, x0, x1 = region
    out = np.zeros((100, 200), np.uint8)
    out[y0:y1, x0:x1] = 1
    return out
  cells = np.empty((1, len(parts)), object)
  for i, (name, region) in enumerate(parts):
    cells[0, i] = {"part_name": name, "mask": mask(region)}
  if not parts:
    cells = np.empty((0, 0))
  return {"class": kind, "class_ind": 7, "mask": mask(box), "parts": cells}


def _pascal_part(download, kind, scenes):
  below = "VOCdevkit/VOC2010"
  lines = {"train": [], "val": []}
  for i, (split, things) in enumerate(scenes):
    name = f"2008_{i:06d}"
    lines[split].append(f"{name} {' 1' if things else '-1'}")
    download.image(f"{below}/JPEGImages/{name}.jpg", (100, 200))
    objects = np.empty((1, len(things)), object)
    for k, thing in enumerate(things):
      objects[0, k] = thing
    scipy.io.savemat(download(f"Annotations_Part/{name}.mat"), {
        "anno": {"imname": name, "objects": objects}})
  for split, listed in lines.items():
    download.text(f"{below}/ImageSets/Main/{kind}_{split}.txt", *listed)


def test_pascal_part_car(download):
  car = _thing("car", (10, 70, 20, 100), [
      ("leftside", (40, 70, 20, 100)), ("window_1", (10, 30, 40, 80)),
      ("wheel_1", (60, 70, 30, 40)), ("headlight_1", (45, 50, 20, 25)),
      ("fliplate", (50, 55, 20, 25)), ("door_1", (30, 60, 50, 70))])
  apart = _thing("car", (0, 60, 120, 190))
  low = _thing("car", (0, 49, 120, 190))
  person = _thing("person", (0, 100, 95, 119), [("head", (0, 9, 95, 119))])
  _pascal_part(download, "car", [
      ("train", [car, apart]), ("val", [car, person]), ("val", [low]),
      ("train", []), ("val", [car, _thing("person", (0, 100, 98, 110))])])
  dataset = download.load("pascal_part/car")
  assert dataset.splits["train_labeled"].ids == (
      "2008_000000_0", "2008_000000_1")
  # The person covers 5 of the car's 80 columns in one, 2 in the other.
  assert dataset.splits["test"].ids == ("2008_000004_0",)
  label = dataset.splits["train_labeled"][0]["label"]
  assert label.shape == (60, 80)
  names = np.array(dataset.spec.class_names)
  at = lambda y, x: names[label[y - 10, x - 20]]
  assert at(20, 50) == "window"
  assert at(65, 35) == "wheel"
  assert at(47, 22) == "light"
  assert at(52, 22) == "plate"
  assert at(45, 60) == at(12, 21) == "body"
  assert (names[dataset.splits["train_labeled"][1]["label"]] == "body").all()


def test_pascal_part_horse(download):
  horse = _thing("horse", (10, 60, 20, 100), [
      ("head", (10, 30, 20, 40)), ("lear", (10, 15, 20, 22)),
      ("torso", (20, 45, 40, 90)), ("lfuleg", (45, 55, 45, 50)),
      ("rbho", (55, 60, 80, 85)), ("tail", (20, 50, 90, 100))])
  _pascal_part(download, "horse", [("train", [horse]), ("val", [horse])])
  source = download.load("pascal_part/horse").splits["test"]
  label = source[0]["label"]
  assert sorted(np.unique(label)) == [1, 2, 3, 4]
  assert label[0, 0] == 1  # the ear is of the head
  assert label[38, 26] == label[47, 62] == 2


def test_pascal_part_broken(download):
  download.fails("pascal_part", "pascal_part/car")
  thing = _thing("horse", (0, 60, 0, 60), [("saddle", (0, 9, 0, 9))])
  _pascal_part(download, "horse", [("train", [thing]), ("val", [thing])])
  download.fails("pascal_part/horse", "2008_000000.mat", "saddle")
  download.remove("Annotations_Part/2008_000000.mat")
  download.fails("pascal_part/horse", "2008_000000", "PASCAL-Parts page")
  download.fails("pascal_part/car", "car_train.txt", "car_val.txt")


def test_pascal_part_boxes():
  assert pascal_part._box(np.zeros((3, 3))) == (0, 0, 0, 0)
  assert pascal_part._shared((0, 4, 0, 4), (2, 6, 3, 9)) == 2
  assert pascal_part._shared((0, 4, 0, 4), (4, 6, 0, 4)) == 0

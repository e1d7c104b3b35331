"""Annotations of common tools: every format reads alike."""

import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import errors
from semseg_jax.data import new_folder
from semseg_jax.data.formats import layout
from semseg_jax.data.formats import voc
from tests.data import annotated


@pytest.mark.parametrize("make", [
    annotated.labelme, annotated.coco, annotated.cvat, annotated.voc_xml])
def test_every_format_draws_the_same(tmp_path, make):
  make(tmp_path)
  data = layout.find(tmp_path)
  assert data.labels == ("leaf", "spot")
  np.testing.assert_array_equal(annotated.mask_of(tmp_path), annotated.EXPECTED)
  assert data.items["a"].image.endswith("a.jpg")


def test_annotations_that_nothing_reads_are_named(tmp_path):
  annotated.image(tmp_path, "a.jpg")
  annotated.write(tmp_path, "a.xml", "<annotations><track/></annotations>")
  notes = new_folder.write(tmp_path)
  assert any("a.xml" in n and "not read" in n for n in notes)


def test_masks_come_before_annotations_which_is_said(tmp_path):
  annotated.labelme(tmp_path)
  (tmp_path / "masks").mkdir()
  assert layout.mask_folder(tmp_path) is None
  Image.fromarray(annotated.EXPECTED).save(tmp_path / "masks/a.png")
  notes = new_folder.write(tmp_path, split=(1, 0, 0))
  assert any("annotations of labelme are not" in n for n in notes)


def test_shapes_without_a_name_are_no_class(tmp_path):
  for tool, name, there, empty in (
      (annotated.labelme, "a.json", '"label": "spot"', '"label": ""'),
      (annotated.coco, "annotations/instances.json", '"name": "spot"',
       '"name": ""'),
      (annotated.cvat, "annotations.xml", 'label="spot"', 'label=""'),
      (annotated.cvat, "annotations.xml", 'label="spot"', ""),
      (annotated.voc_xml, "Annotations/a.xml", "<name>spot</name>", "<name/>"),
      (annotated.voc_xml, "Annotations/a.xml", "<name>spot</name>", "")):
    tool(tmp_path)
    file = tmp_path / name
    text = file.read_text()
    assert there in text
    file.write_text(text.replace(there, empty))
    with pytest.raises(errors.DataError, match=f"{name}.*a shape whose label"):
      layout.find(tmp_path)
    file.unlink()


@pytest.mark.parametrize("names", [
    ("train", "val", "test"), ("training", "valid", "testing"),
    ("Train", "validation", "Test")])
def test_all_tools_know_the_same_names_of_splits(tmp_path, names):
  splits = {"train_labeled": ("a",), "val": ("b",), "test": ("c",)}
  for part, name in zip(names, "abc", strict=True):
    annotated.image(tmp_path / "coco", f"{name}.jpg")
    annotated.write(tmp_path / "coco", f"{part}.json", annotated.coco_file(
        [(3, annotated.LEAF)], (f"{name}.jpg",)))
    annotated.write(tmp_path / "voc", (
        f"ImageSets/Segmentation/{part.lower()}.txt"), name)
    annotated.image(tmp_path / "cvat", f"{name}.jpg")
  annotated.write(tmp_path / "cvat", "a.xml", "<annotations>" + "".join(
      f'<image name="{name}.jpg" subset="{part}" width="12" height="8"/>'
      for part, name in zip(names, "abc", strict=True)) + "</annotations>")
  assert layout.find(tmp_path / "coco").splits == splits
  assert layout.find(tmp_path / "cvat").splits == splits
  assert {k: (v.read_text(),) for k, v in voc.lists(
      tmp_path / "voc").items()} == splits


def test_cvat_ellipse_mask_and_lines(tmp_path):
  annotated.cvat(tmp_path, '<ellipse label="leaf" cx="6" cy="4" rx="3" ry="2"/>'
       '<mask label="spot" rle="1, 2, 3" left="4" top="3" width="3" '
       'height="2"/>')
  mask = annotated.mask_of(tmp_path)
  np.testing.assert_array_equal(np.argwhere(mask == 2), [[3, 5], [3, 6]])
  assert (mask > 0).sum() == pytest.approx(np.pi * 6, rel=0.2)
  annotated.cvat(tmp_path, '<polyline label="leaf" points="1,2;3,4;5,6"/>')
  with pytest.raises(errors.DataError, match=r"polyline.*encloses no area"):
    annotated.mask_of(tmp_path)
  annotated.cvat(tmp_path, '<box label="leaf" xtl="1" ytl="1" xbr="3" ybr="3" '
       'rotation="30"/>')
  with pytest.raises(errors.DataError, match="turned by 30"):
    annotated.mask_of(tmp_path)


def test_xml_with_entities_is_refused(tmp_path):
  annotated.image(tmp_path, "a.jpg")
  annotated.write(tmp_path, "a.xml", (
      '<!DOCTYPE a [<!ENTITY b "bb">]><annotation>&b;</annotation>'))
  with pytest.raises(errors.DataError, match="document type"):
    layout.find(tmp_path)
  annotated.write(tmp_path, "a.xml", (
      '<?xml version="1.0" encoding="utf-88"?><annotation/>'))
  with pytest.raises(errors.DataError, match="not valid XML.*utf-88"):
    layout.find(tmp_path)


def test_two_kinds_of_annotations_are_named(tmp_path):
  annotated.labelme(tmp_path)
  annotated.coco(tmp_path)
  with pytest.raises(errors.DataError, match="labelme.*coco|coco.*labelme"):
    layout.find(tmp_path)

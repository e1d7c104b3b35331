"""Annotations of common tools: what was drawn, or one line that names it."""

import base64
import contextlib
import io
import json

from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest

from semseg_jax.data import errors
from semseg_jax.data import new_folder
from semseg_jax.data.formats import annotations
from semseg_jax.data.formats import layout

FAST = settings(max_examples=100, deadline=None, suppress_health_check=[
    HealthCheck.function_scoped_fixture])
W, H = 12, 8
# [top, left) to [bottom, right) of what every format draws: 1 leaf, 2 spot.
EXPECTED = np.zeros((H, W), np.uint8)
EXPECTED[1:7, 2:10] = 1
EXPECTED[3:5, 4:7] = 2


def image(root, name, size=(W, H)):
  path = root / name
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.new("RGB", size, (9, 9, 9)).save(path)


def write(root, name, content):
  path = root / name
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(content if isinstance(content, str) else json.dumps(content))


def encoded_mask(region):
  out = io.BytesIO()
  Image.fromarray(region).save(out, "png")
  return base64.b64encode(out.getvalue()).decode()


def labelme(root, name="a", shapes=None, **more):
  image(root, f"{name}.jpg")
  if shapes is None:
    shapes = [("leaf", "rectangle", [[2, 1], [9, 6]]),
              ("spot", "polygon", [[4, 3], [6, 3], [6, 4], [4, 4]])]
  write(root, f"{name}.json", {
      "version": "5.2.1", "flags": {}, "imagePath": f"{name}.jpg",
      "imageData": None, "imageWidth": W, "imageHeight": H,
      "shapes": [{"label": s[0], "shape_type": s[1], "points": s[2],
                  "group_id": None, "flags": {}, **(s[3] if s[3:] else {})}
                 for s in shapes]} | more)


def coco_file(segmentations, names=("a.jpg",)):
  return {
      "images": [{"id": 7 + i, "file_name": n, "width": W, "height": H}
                 for i, n in enumerate(names)],
      "categories": [{"id": 3, "name": "leaf"}, {"id": 90, "name": "spot"}],
      "annotations": [
          {"id": i, "image_id": 7, "category_id": c, "iscrowd": 0,
           "bbox": [0, 0, 1, 1]} | s for i, (c, s) in enumerate(segmentations)]}


LEAF = {"segmentation": [[2, 1, 10, 1, 10, 7, 2, 7]]}
SPOT = {"segmentation": [[4, 3, 7, 3, 7, 5, 4, 5]]}


def coco(root):
  image(root, "a.jpg")
  write(root, "annotations/instances.json", coco_file([(3, LEAF), (90, SPOT)]))


def cvat(root, shapes=None):
  image(root, "images/a.jpg")
  shapes = shapes or (
      '<polygon label="spot" points="4.0,3.0;7.0,3.0;7.0,5.0;4.0,5.0" '
      'z_order="1"/><box label="leaf" xtl="2" ytl="1" xbr="10" ybr="7" '
      'z_order="0"/>')
  write(root, "annotations.xml", (
      '<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1'
      '</version><meta><job><labels><label><name>leaf</name><color>#00b000'
      '</color></label><label><name>spot</name></label></labels></job></meta>'
      f'<image id="0" name="a.jpg" width="{W}" height="{H}">{shapes}</image>'
      '</annotations>'))


def voc_xml(root):
  image(root, "JPEGImages/a.jpg")
  write(root, "Annotations/a.xml", (
      f"<annotation><filename>a.jpg</filename><size><width>{W}</width>"
      f"<height>{H}</height><depth>3</depth></size>"
      "<object><name>leaf</name><bndbox><xmin>2</xmin><ymin>1</ymin>"
      "<xmax>10</xmax><ymax>7</ymax></bndbox></object>"
      "<object><name>spot</name><polygon><x1>4</x1><y1>3</y1><x2>7</x2>"
      "<y2>3</y2><x3>7</x3><y3>5</y3><x4>4</x4><y4>5</y4></polygon>"
      "<bndbox><xmin>4</xmin><ymin>3</ymin><xmax>7</xmax><ymax>5</ymax>"
      "</bndbox></object></annotation>"))


def mask_of(root, names=("background", "leaf", "spot"), name="a"):
  data = layout.find(root)
  return data.items[name].draw(annotations.indices(names, 255))


@pytest.mark.parametrize("make", [labelme, coco, cvat, voc_xml])
def test_every_format_draws_the_same(tmp_path, make):
  make(tmp_path)
  data = layout.find(tmp_path)
  assert data.labels == ("leaf", "spot")
  np.testing.assert_array_equal(mask_of(tmp_path), EXPECTED)
  assert data.items["a"].image.endswith("a.jpg")


def test_labelme_circle_mask_and_ignored(tmp_path):
  region = np.zeros((3, 4), bool)
  region[1, 1:] = True
  labelme(tmp_path, shapes=[
      ("leaf", "circle", [[5, 4], [5, 6]]),
      ("spot", "mask", [[1, 2], [4, 4]], {"mask": encoded_mask(region)}),
      ("__ignore__", "rectangle", [[11, 7], [11, 7]])])
  mask = mask_of(tmp_path)
  assert (mask[4, 3:8] == 1).all()
  assert (mask == 1).sum() == pytest.approx(np.pi * 4, rel=0.6)
  np.testing.assert_array_equal(np.argwhere(mask == 2),
                                [[3, 2], [3, 3], [3, 4]])
  assert mask[7, 11] == 255


@pytest.mark.parametrize(("shape", "message"), [
    (("leaf", "line", [[0, 0], [3, 3]]), "a line .*encloses no area"),
    (("leaf", "point", [[0, 0]]), "a point .*encloses no area"),
    (("leaf", "linestrip", [[0, 0], [3, 3], [4, 4]]), "encloses no area"),
    (("leaf", "polygon", [[0, 0], [3, 3]]), "a polygon of 2 points"),
    (("leaf", "cube", [[0, 0], [3, 3]]), "a cube of 2 points"),
    ((None, "rectangle", [[0, 0], [3, 3]]), "label is None"),
    (("tree", "rectangle", [[0, 0], [3, 3]]), "label 'tree' is no class"),
    (("leaf", "rectangle", [[0, 0], [1e9, 3]]), "far outside"),
    (("leaf", "rectangle", [[0, 0], [float("nan"), 3]]), "far outside"),
    (("leaf", "mask", [[0, 0], [3, 3]], {"mask": "no"}), "a mask"),
    (("leaf", "mask", [[9, 6], [13, 9]],
      {"mask": encoded_mask(np.ones((4, 5), bool))}), "lies outside"),
])
def test_labelme_mistakes(tmp_path, shape, message):
  labelme(tmp_path, shapes=[shape])
  with pytest.raises(errors.DataError, match=rf"a\.json.*{message}"):
    mask_of(tmp_path)


@pytest.mark.parametrize("path", ["a.jpg", "pics\\a.jpg", "../pics/a.jpg", ""])
def test_labelme_files_find_their_image(tmp_path, path):
  labelme(tmp_path, imagePath=path)
  assert list(layout.find(tmp_path).items) == ["a"]


@pytest.mark.parametrize("more", [
    {"imageWidth": None, "imageHeight": None},
    {"flags": None, "imageData": None, "imagePath": "C:\\Users\\me\\a.jpg"}])
def test_labelme_of_other_versions(tmp_path, more):
  labelme(tmp_path, **more)
  np.testing.assert_array_equal(mask_of(tmp_path), EXPECTED)


def test_labelme_shapes_that_reach_over_the_edge(tmp_path):
  labelme(tmp_path, shapes=[("leaf", "polygon", [[-9, -9], [40, -9], [40, 3],
                                                 [-9, 3]])])
  mask = mask_of(tmp_path)
  assert mask[:4].all()
  assert not mask[4:].any()


def test_labels_that_differ_in_spelling_alone_are_named(tmp_path):
  labelme(tmp_path, "a")
  labelme(tmp_path, "b", [("Leaf ", "rectangle", [[1, 1], [3, 3]])])
  notes = new_folder.write(tmp_path, split=(0.5, 0.5, 0))
  assert any("'Leaf ', 'leaf' are classes of their own" in n for n in notes)


def test_annotations_that_nothing_reads_are_named(tmp_path):
  image(tmp_path, "a.jpg")
  write(tmp_path, "a.xml", "<annotations><track/></annotations>")
  notes = new_folder.write(tmp_path)
  assert any("a.xml" in n and "not read" in n for n in notes)


def test_labelme_without_image(tmp_path):
  labelme(tmp_path)
  (tmp_path / "a.jpg").unlink()
  image(tmp_path, "b.jpg")
  with pytest.raises(errors.DataError, match=r"a\.json: belongs to 'a\.jpg'"
                     r"|a\.json: belongs to a\.jpg"):
    layout.find(tmp_path)


def columns(region):
  """Run lengths of a mask down its columns, starting with zeros."""
  flat = region.T.ravel()
  ends = np.flatnonzero(np.diff(np.concatenate([[0], flat, [2]])))
  return np.diff(np.concatenate([[0], ends])).tolist()


def packed(counts):
  mask = pytest.importorskip("pycocotools.mask")
  runs = mask.frPyObjects({"size": [H, W], "counts": counts}, H, W)
  return runs["counts"].decode()


@pytest.mark.parametrize("form", [list, packed])
def test_coco_run_lengths_and_crowds(tmp_path, form):
  image(tmp_path, "a.jpg")
  leaf, spot = EXPECTED > 0, EXPECTED == 2
  runs = lambda region: {"size": [H, W], "counts": form(
      columns(region.astype(int)))}
  write(tmp_path, "instances.json", coco_file([
      (90, {"segmentation": runs(spot)}),
      (3, {"segmentation": runs(leaf), "iscrowd": 1})]))
  np.testing.assert_array_equal(mask_of(tmp_path), EXPECTED)


@pytest.mark.parametrize(("segmentation", "message"), [
    ({"size": [H, W], "counts": [3, 4]}, "run lengths"),
    ({"size": [H, W], "counts": [-3, H * W + 3]}, "run lengths"),
    ({"size": [H, W], "counts": "~~"}, "run lengths"),
    ({"size": [H, W], "counts": "oooooooooooooooooooooooooooooo"},
     "run lengths"),
    ({"size": [1 << 20, 1 << 20], "counts": []}, "run lengths of"),
    ([[1, 2, 3, 4]], "less than three"),
    ([[0, 0, 1e12, 0, 1e12, 1e12]], "far outside"),
    (5, "neither polygons"),
])
def test_coco_mistakes(tmp_path, segmentation, message):
  image(tmp_path, "a.jpg")
  write(tmp_path, "i.json", coco_file([(3, {"segmentation": segmentation})]))
  with pytest.raises(errors.DataError, match=rf"i\.json.*{message}"):
    mask_of(tmp_path)


def test_coco_without_sizes_and_with_turned_boxes(tmp_path):
  coco(tmp_path)
  path = tmp_path / "annotations/instances.json"
  content = json.loads(path.read_text())
  content["images"] = [{"id": 7, "file_name": "a.jpg"}]
  path.write_text(json.dumps(content))
  np.testing.assert_array_equal(mask_of(tmp_path), EXPECTED)
  content["annotations"] = [{
      "id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 1, 3, 3],
      "segmentation": [], "attributes": {"rotation": 30.0}}]
  path.write_text(json.dumps(content))
  with pytest.raises(errors.DataError, match="turned by 30.0 degrees"):
    mask_of(tmp_path)


def changed(content, **more):
  return content | more


@pytest.mark.parametrize(("content", "message"), [
    (changed(coco_file([(4, LEAF)])), "category 4"),
    (changed(coco_file([(3, LEAF)], ("b.jpg",))), r"lists 'b\.jpg'"),
    (changed(coco_file([(3, LEAF)], ("../b.jpg",))), r"lists '\.\./b\.jpg'"),
    (changed(coco_file([(3, LEAF)], ("a.jpg", "a.jpg"))), "twice"),
    (changed(coco_file([(3, LEAF)]), images=[]), "image 7.*does not list"),
    (changed(coco_file([(3, LEAF)]), categories=[1]), "not a COCO file"),
])
def test_coco_files_that_contradict_themselves(tmp_path, content, message):
  image(tmp_path, "a.jpg")
  write(tmp_path, "i.json", content)
  with pytest.raises(errors.DataError, match=rf"i\.json.*{message}"):
    layout.find(tmp_path)


@pytest.mark.parametrize("name", [
    "../x/a.jpg", "/home/me/a.jpg", "C:\\me\\a.jpg", "https://x.org/y/a.jpg"])
def test_names_of_other_machines_and_ids_as_text(tmp_path, name):
  coco(tmp_path)
  content = coco_file([(3, LEAF), (90, SPOT)], (name,))
  content["annotations"][0] |= {"image_id": "7", "category_id": 3.0}
  write(tmp_path, "annotations/instances.json", content)
  np.testing.assert_array_equal(mask_of(tmp_path), EXPECTED)


@pytest.mark.parametrize("name", ["", ".", "..", "/", "x/.."])
def test_images_without_a_name(tmp_path, name):
  image(tmp_path, "a.jpg")
  write(tmp_path, "i.json", coco_file([(3, LEAF)], (name,)))
  with pytest.raises(errors.DataError, match=r"i\.json: .*without a name"):
    layout.find(tmp_path)


def test_coordinates_as_fractions_are_refused(tmp_path):
  labelme(tmp_path, shapes=[
      ("leaf", "polygon", [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]])])
  with pytest.raises(errors.DataError, match=r"a\.json.*within \[0, 1\]"):
    mask_of(tmp_path)


def test_what_labelme_exports_beside_a_file_is_no_image(tmp_path):
  labelme(tmp_path)
  image(tmp_path, "a_json/label.png")
  assert "unlabeled.txt" not in " ".join(
      new_folder.write(tmp_path, split=(1, 0, 0)))


def test_background_in_any_case(tmp_path):
  labelme(tmp_path, shapes=[
      ("leaf", "rectangle", [[0, 0], [11, 7]]),
      ("Background", "rectangle", [[0, 0], [11, 3]])])
  mask = mask_of(tmp_path)
  assert mask[:4].max() == 0
  assert mask[4:].min() == 1


def test_masks_come_before_annotations_which_is_said(tmp_path):
  labelme(tmp_path)
  (tmp_path / "masks").mkdir()
  assert layout.mask_folder(tmp_path) is None
  Image.fromarray(EXPECTED).save(tmp_path / "masks/a.png")
  notes = new_folder.write(tmp_path, split=(1, 0, 0))
  assert any("annotations of labelme are not" in n for n in notes)


def test_coco_splits_boxes_and_empty_images(tmp_path):
  for split, name in (("train", "a"), ("valid", "b"), ("test", "c")):
    image(tmp_path, f"{split}/{name}.jpg")
    write(tmp_path, f"{split}/_annotations.coco.json", coco_file(
        [(3, {"bbox": [2, 1, 3, 2], "segmentation": []})] * (split == "train"),
        (f"{name}.jpg",)))
  data = layout.find(tmp_path)
  assert data.splits == {"train_labeled": ("train/a",), "val": ("valid/b",),
                          "test": ("test/c",)}
  mask = mask_of(tmp_path, name="train/a")
  assert np.argwhere(mask).min(0).tolist() == [1, 2]
  assert (mask == 1).sum() == 6
  assert any("box alone" in n for n in data.notes)
  assert any("no annotation" in n for n in data.notes)


def test_cvat_ellipse_mask_and_lines(tmp_path):
  cvat(tmp_path, '<ellipse label="leaf" cx="6" cy="4" rx="3" ry="2"/>'
       '<mask label="spot" rle="1, 2, 3" left="4" top="3" width="3" '
       'height="2"/>')
  mask = mask_of(tmp_path)
  np.testing.assert_array_equal(np.argwhere(mask == 2), [[3, 5], [3, 6]])
  assert (mask > 0).sum() == pytest.approx(np.pi * 6, rel=0.2)
  cvat(tmp_path, '<polyline label="leaf" points="1,2;3,4;5,6"/>')
  with pytest.raises(errors.DataError, match=r"polyline.*encloses no area"):
    mask_of(tmp_path)
  cvat(tmp_path, '<box label="leaf" xtl="1" ytl="1" xbr="3" ybr="3" '
       'rotation="30"/>')
  with pytest.raises(errors.DataError, match="turned by 30"):
    mask_of(tmp_path)


def test_xml_with_entities_is_refused(tmp_path):
  image(tmp_path, "a.jpg")
  write(tmp_path, "a.xml", '<!DOCTYPE a [<!ENTITY b "bb">]><annotation>&b;'
        "</annotation>")
  with pytest.raises(errors.DataError, match="document type"):
    layout.find(tmp_path)


def test_two_kinds_of_annotations_are_named(tmp_path):
  labelme(tmp_path)
  coco(tmp_path)
  with pytest.raises(errors.DataError, match="labelme.*coco|coco.*labelme"):
    layout.find(tmp_path)


SHAPES = st.lists(st.tuples(
    st.sampled_from(["leaf", "x", ""]),
    st.sampled_from(["polygon", "rectangle", "circle", "mask", "line", None]),
    st.lists(st.lists(st.one_of(st.floats(), st.integers(-20, 20)),
                      max_size=3), max_size=4)), max_size=3)
JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3)
    | st.integers(-9, 99),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(
        st.sampled_from(["size", "counts", "id", "name", "bbox", "width"]), x,
        max_size=3), max_leaves=6)


def drawn(root):
  with contextlib.suppress(errors.DataError):
    data = layout.find(root)
    for item in data.items.values() if data else ():
      with contextlib.suppress(errors.DataError):
        mask = item.draw(annotations.indices(("background", "leaf"), 255))
        assert mask.dtype == np.uint8
        assert mask.ndim == 2


@FAST
@given(shapes=SHAPES, more=st.dictionaries(
    st.sampled_from(["imageWidth", "imageHeight", "imagePath", "shapes"]), JUNK,
    max_size=2))
def test_any_labelme_file(tmp_path, shapes, more):
  labelme(tmp_path, shapes=shapes)
  path = tmp_path / "a.json"
  path.write_text(json.dumps(json.loads(path.read_text()) | more))
  drawn(tmp_path)


@FAST
@given(segmentation=JUNK, more=st.dictionaries(
    st.sampled_from(["images", "categories", "annotations"]), JUNK,
    max_size=1))
def test_any_coco_file(tmp_path, segmentation, more):
  image(tmp_path, "a.jpg")
  write(tmp_path, "i.json", coco_file(
      [(3, {"segmentation": segmentation})]) | more)
  drawn(tmp_path)


@FAST
@given(data=st.data(), make=st.sampled_from([cvat, voc_xml, labelme, coco]))
def test_damaged_files(tmp_path, data, make):
  make(tmp_path)
  path = next(p for p in sorted(tmp_path.rglob("*"))
              if p.suffix in (".xml", ".json"))
  content = bytearray(path.read_bytes())
  for _ in range(data.draw(st.integers(1, 3))):
    at = data.draw(st.integers(0, len(content) - 1))
    content[at:at + data.draw(st.integers(0, 9))] = data.draw(
        st.binary(max_size=6) | st.sampled_from([b"99999999", b"-1", b'"']))
    content = content or bytearray(b"x")
  path.write_bytes(bytes(content))
  drawn(tmp_path)
  for p in tmp_path.rglob("*.*"):
    if p.suffix in (".xml", ".json"):
      p.unlink()

"""Any annotations are drawn, or refused in one line."""

import contextlib
import json

from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np

from semseg_jax.data import errors
from semseg_jax.data.formats import contents
from semseg_jax.data.formats import layout
from tests.data import annotated

FAST = settings(max_examples=100, deadline=None, suppress_health_check=[
    HealthCheck.function_scoped_fixture])
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
        mask = item.draw(contents.indices(("background", "leaf"), 255))
        assert mask.dtype == np.uint8
        assert mask.ndim == 2


@FAST
@given(shapes=SHAPES, more=st.dictionaries(
    st.sampled_from(["imageWidth", "imageHeight", "imagePath", "shapes"]), JUNK,
    max_size=2))
def test_any_labelme_file(tmp_path, shapes, more):
  annotated.labelme(tmp_path, shapes=shapes)
  path = tmp_path / "a.json"
  path.write_text(json.dumps(json.loads(path.read_text()) | more))
  drawn(tmp_path)


@FAST
@given(segmentation=JUNK, more=st.dictionaries(
    st.sampled_from(["images", "categories", "annotations"]), JUNK,
    max_size=1))
def test_any_coco_file(tmp_path, segmentation, more):
  annotated.image(tmp_path, "a.jpg")
  annotated.write(tmp_path, "i.json", annotated.coco_file(
      [(3, {"segmentation": segmentation})]) | more)
  drawn(tmp_path)


@FAST
@given(data=st.data(), make=st.sampled_from([
    annotated.cvat, annotated.voc_xml, annotated.labelme, annotated.coco]))
def test_damaged_files(tmp_path, data, make):
  # Of the example before, which may have ended early.
  for p in tmp_path.rglob("*.*"):
    if p.suffix in (".xml", ".json"):
      p.unlink()
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

"""Small annotated folders in the formats of common tools."""

import base64
import io
import json

import numpy as np
from PIL import Image

from semseg_jax.data.formats import contents
from semseg_jax.data.formats import layout

W, H = 12, 8
# [top, left) to [bottom, right) of what every format draws: 1 leaf, 2 spot.
EXPECTED = np.zeros((H, W), np.uint8)
EXPECTED[1:7, 2:10] = 1
EXPECTED[3:5, 4:7] = 2
LEAF = {"segmentation": [[2, 1, 10, 1, 10, 7, 2, 7]]}
SPOT = {"segmentation": [[4, 3, 7, 3, 7, 5, 4, 5]]}


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
  return data.items[name].draw(contents.indices(names, 255))

"""Coverage-guided fuzzing of the readers, for those who have Atheris.

  pip install "semseg_jax[fuzz]"
  python tests/fuzz_atheris.py TARGET -runs=100000

TARGET: torch, safetensors, pickle, mask, ids, labelme, coco, xml, classes,
labelmap or config.

Any exception but the one that a reader documents is a finding; so is an input
that takes seconds or gigabytes (libFuzzer's -timeout, -rss_limit_mb). The
search starts from small valid files. fuzz_atheris_test.py runs each for a
while; tests/**/fuzz_test.py use Hypothesis.
"""

import importlib.util
import io
import pathlib
import pickle
import sys
import tempfile

import atheris
import numpy as np
from PIL import Image
import safetensors.numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
with atheris.instrument_imports(include=["semseg_jax", "configs", "pickle"]):
  from configs import common
  from semseg_jax.data import errors
  from semseg_jax.data import id_lists
  from semseg_jax.data import image_files
  from semseg_jax.data import mask_files
  from semseg_jax.data.formats import contents
  from semseg_jax.data.formats import layout
  from semseg_jax.data.formats import voc
  from semseg_jax.data.sets import folder
  from semseg_jax.interop import network_pickles
  from semseg_jax.interop import torch_files

FOLDER = pathlib.Path(tempfile.mkdtemp())
FILE = FOLDER / "input"


def on_file(read, error):
  def target(data):
    FILE.write_bytes(data)
    try:
      read(FILE)
    except error:
      pass
  return target


def annotated(name):
  """Draws every mask of a folder with an image and one file of annotations."""
  root = FOLDER / name.replace(".", "_")
  root.mkdir(exist_ok=True)
  Image.new("RGB", (6, 4)).save(root / "a.png")

  def target(data):
    (root / name).write_bytes(data)
    try:
      drawn = layout.find(root)
      for item in drawn.items.values() if drawn else ():
        item.draw(contents.indices(("background", "leaf"), 255))
    except errors.DataError:
      pass
  return target


def classes(data):
  (FOLDER / "classes.json").write_bytes(data)
  try:
    spec = folder.read_spec("fuzz", FOLDER)
    folder.read_legend(FOLDER, spec)
  except errors.DataError:
    pass


def config(data):
  try:
    common.parse_arg(data.decode("utf-8", "replace"), labels=20, rate=0.5,
                     name="", smoke=False)
  except ValueError:
    pass


def torch_files_of_both_kinds():
  spec = importlib.util.spec_from_file_location(
      "torch_writer",
      pathlib.Path(__file__).resolve().parent / "interop/torch_writer.py")
  writer = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(writer)
  for legacy in (False, True):
    writer.save(FILE, {"w": writer.Tensor(np.arange(6, dtype=np.float32)),
                       "n": [1, ("a", 2.5)]}, legacy=legacy)
    yield FILE.read_bytes()


def masks():
  for mode, kind in (("L", "png"), ("P", "png"), ("1", "tiff"), ("L", "bmp"),
                     ("P", "gif"), ("L", "webp"), ("L", "ppm")):
    out = io.BytesIO()
    Image.new("L", (9, 7), 1).convert(mode).save(out, kind)
    yield out.getvalue()


# What reads, and valid inputs to start from.
TARGETS = {
    "torch": (on_file(lambda path: torch_files.load(path, foreign=True),
                      torch_files.TorchFileError),
              torch_files_of_both_kinds),
    "safetensors": (
        on_file(torch_files.load_safetensors, torch_files.TorchFileError),
        lambda: [safetensors.numpy.save({"w": np.arange(6, dtype=np.int8)})]),
    "mask": (on_file(lambda path: mask_files.read_indices(
        image_files.read_bytes(path), "input"), errors.DataError), masks),
    "ids": (on_file(id_lists.read, errors.DataError),
            lambda: [b"a\nb/c\n", b"\xef\xbb\xbfa\r\n../b\n"]),
    "pickle": (
        on_file(network_pickles.load, torch_files.TorchFileError),
        lambda: [pickle.dumps({"G_ema": None}), *torch_files_of_both_kinds()]),
    "labelme": (annotated("a.json"), lambda: [
        b'{"imagePath": "a.png", "imageWidth": 6, "imageHeight": 4, "shapes": '
        b'[{"label": "leaf", "shape_type": "polygon", "points": '
        b"[[0, 0], [3, 0], [3, 3]]}]}"]),
    "coco": (annotated("all.json"), lambda: [
        b'{"images": [{"id": 1, "file_name": "a.png", "width": 6, "height": 4'
        b'}], "categories": [{"id": 1, "name": "leaf"}], "annotations": '
        b'[{"image_id": 1, "category_id": 1, "segmentation": '
        b"[[0, 0, 3, 0, 3, 3]]}]}"]),
    "xml": (annotated("a.xml"), lambda: [
        b'<annotations><image name="a.png" width="6" height="4"><polygon '
        b'label="leaf" points="0,0;3,0;3,3"/></image></annotations>',
        b"<annotation><filename>a.png</filename><size><width>6</width><height>"
        b"4</height></size><object><name>leaf</name><bndbox><xmin>0</xmin>"
        b"<ymin>0</ymin><xmax>3</xmax><ymax>3</ymax></bndbox></object>"
        b"</annotation>"]),
    "classes": (classes, lambda: [
        b'{"classes": ["a", "b"], "colours": [[0, 0, 0], [9, 9, 9]], "values": '
        b'{"0": 0, "255": 1}, "ignore_index": 255, "flip": {"a": "b"}}']),
    "labelmap": (on_file(voc.label_map, errors.DataError),
                 lambda: [b"# name:r,g,b::\nleaf:0,176,0::\n"]),
    "config": (config, lambda: [b"labels=3,smoke", b"rate=1e-3,name=a"]),
}

if __name__ == "__main__":
  target, valid = TARGETS[sys.argv.pop(1)]
  corpus = FOLDER / "corpus"
  corpus.mkdir()
  for number, content in enumerate(valid()):
    (corpus / str(number)).write_bytes(content)
  atheris.Setup(
      [*sys.argv, f"-artifact_prefix={FOLDER}/", str(corpus)], target)
  atheris.Fuzz()
